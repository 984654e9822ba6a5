"""Canon's CRW: a heap of records (CIFF), from which the shooting data is read."""

import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime

from lptn_retouch.codecs.raw.maker_note import exif_with_note
from lptn_retouch.metadata.exif.build import Field, build_exif, rational_field, short_field, text_field
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.tiff import ASCII, LONG, SHORT, TYPE_SIZES

_MAGIC = b"HEAPCCDR"
_MAX_LEVELS = 8
_MAX_RECORDS = 4096
_MAX_VALUE = 65536

# Record numbers, with their type bits, as Canon numbers them.
_FIRMWARE, _MAKE_MODEL, _OWNER = 0x080B, 0x080A, 0x0810
_DESCRIPTION, _TIME = 0x0805, 0x180E
_FOCAL, _SHOT, _SETTINGS = 0x1029, 0x102A, 0x102D

# Which record is which tag of Canon's maker note, and of which type.
_NOTE_RECORDS = {
    _SETTINGS: (0x0001, SHORT), _FOCAL: (0x0002, SHORT), _SHOT: (0x0004, SHORT), 0x0815: (0x0006, ASCII),
    _FIRMWARE: (0x0007, ASCII), 0x1817: (0x0008, LONG), _OWNER: (0x0009, ASCII), 0x180B: (0x000C, LONG),
    0x1834: (0x0010, LONG), 0x1038: (0x0012, SHORT), 0x183B: (0x0015, LONG), 0x1093: (0x0093, SHORT),
    0x10A9: (0x00A9, SHORT), 0x10AE: (0x00AE, SHORT), 0x10B4: (0x00B4, SHORT), 0x1031: (0x00E0, SHORT),
}  # fmt: skip

_ISO_STEPS = {16: 50, 17: 100, 18: 200, 19: 400, 20: 800}


def is_ciff(data: Buffer) -> bool:
    """Whether a file starts as a CIFF heap does.

    >>> is_ciff(b"II\\x1a\\0\\0\\0HEAPCCDR")
    True

    Source: Canon CIFF 1.0 revision 4, 2.1.
    """
    return bytes(data[:2]) == b"II" and bytes(data[6:14]) == _MAGIC


def ciff_records(data: Buffer) -> dict[int, bytes]:
    """The values of a CIFF heap by record number; of a number that occurs twice the last, as deeper ones are richer.

    Args:
        data: a CRW file. Records longer than 64 kB (pictures) and places outside the file are passed over.

    >>> ciff_records(b"not a heap")
    {}

    Source: Canon CIFF 1.0 revision 4, 3 (heap) and 4 (types).
    """
    if not is_ciff(data) or len(data) < 18:
        return {}
    start = int.from_bytes(data[2:6], "little")
    found: dict[int, bytes] = {}
    for number, value in _heap(data, start, len(data), _MAX_LEVELS):
        if value or number not in found:
            found[number] = value
        if len(found) >= _MAX_RECORDS:
            break
    return found


def _heap(data: Buffer, start: int, end: int, levels: int) -> Iterator[tuple[int, bytes]]:
    """Records of the heap that lies in start..end: its directory stands where its last four bytes say."""
    if levels == 0 or start < 0 or end - start < 6 or end > len(data):
        return
    at = start + int.from_bytes(data[end - 4 : end], "little")
    if at + 2 > end:
        return
    count = int.from_bytes(data[at : at + 2], "little")
    for i in range(min(count, _MAX_RECORDS)):
        entry = at + 2 + 10 * i
        if entry + 10 > end:
            return
        tag, size, offset = struct.unpack_from("<HII", data, entry)
        number = tag & 0x3FFF
        if tag & 0xC000 == 0x4000:  # the value stands in the entry itself
            yield number, bytes(data[entry + 2 : entry + 10])
        elif start + offset + size <= end:
            inside = start + offset
            if tag & 0x3800 in (0x2800, 0x3000):
                yield from _heap(data, inside, inside + size, levels - 1)
            elif size <= _MAX_VALUE:
                yield number, bytes(data[inside : inside + size])


def exif_from_ciff(data: Buffer) -> bytes | None:
    """A fresh EXIF structure with the shooting data of a CRW file; None when it holds none.

    >>> exif_from_ciff(b"not a heap") is None
    True

    Source: Canon CIFF 1.0 revision 4; numbers as in Canon's maker notes (APEX steps of 1/32).
    """
    records = ciff_records(data)
    if not records:
        return None
    main = [short_field(0x0112, 1)]
    exif: list[Field] = []
    maker, _, model = records.get(_MAKE_MODEL, b"").partition(b"\0")
    texts = ((0x010F, maker), (0x0110, model), (0x0131, records.get(_FIRMWARE, b"")),
             (0x013B, records.get(_OWNER, b"")), (0x010E, records.get(_DESCRIPTION, b"")))  # fmt: skip
    for tag, raw in texts:
        text = raw.partition(b"\0")[0].decode("latin-1").strip()
        if text:
            main.append(text_field(tag, text))
    seconds = int.from_bytes(records.get(_TIME, b"")[:4], "little")
    if seconds:
        taken = datetime.fromtimestamp(seconds, UTC).strftime("%Y:%m:%d %H:%M:%S")
        exif += [text_field(0x9003, taken), text_field(0x9004, taken)]
    settings, shot, focal = (_shorts(records.get(n, b"")) for n in (_SETTINGS, _SHOT, _FOCAL))
    exif += _exposure(settings, shot)
    units = settings.get(25, 0)
    if units > 0 and focal.get(1, 0) > 0:
        exif.append(rational_field(0x920A, focal[1] / units))
    return exif_with_note("<", main, exif, [], [], _maker_note(records))[0]


def _maker_note(records: dict[int, bytes]) -> tuple[bytes, int] | None:
    """The records that Canon's other cameras write as a maker note, as one, with the offset that it is true at."""
    fields = []
    for number, (tag, kind) in _NOTE_RECORDS.items():
        value = records.get(number, b"")
        value = value[:4] if kind == LONG else value  # which stands in eight bytes, of which the rest means nothing
        if len(value) >= 4:
            fields.append(Field(tag, kind, len(value) // TYPE_SIZES[kind], value))
    return (build_exif("<", fields)[8:], 8) if fields else None


def _exposure(settings: dict[int, int], shot: dict[int, int]) -> list[Field]:
    fields = []
    if 22 in shot and -320 < shot[22] < 640:
        fields.append(rational_field(0x829A, 2 ** -_apex(shot[22])))
    if 0 < shot.get(21, 0) < 640:
        fields.append(rational_field(0x829D, 2 ** (_apex(shot[21]) / 2)))
    iso = _iso(settings, shot)
    if iso:
        fields.append(short_field(0x8827, iso))
    return fields


def _iso(settings: dict[int, int], shot: dict[int, int]) -> int | None:
    set_iso = settings.get(16, 0)
    if set_iso in _ISO_STEPS:
        return _ISO_STEPS[set_iso]
    if set_iso & 0x4000 and set_iso > 0:
        return set_iso & 0x3FFF
    base, auto = shot.get(2, 0), shot.get(1, 0)
    if not 0 < base < 1024:
        return None
    iso = 2 ** (base / 32) * 100 / 32 * 2 ** (auto / 32)
    return round(iso) if math.isfinite(iso) and 1 <= iso <= 65535 else None


def _shorts(raw: bytes) -> dict[int, int]:
    count = len(raw) // 2
    return dict(enumerate(struct.unpack(f"<{count}h", raw[: 2 * count])))


def _apex(steps: int) -> float:
    """Canon counts in 1/32 stops, but writes thirds as 12 and 20."""
    part = abs(steps) & 0x1F
    exact = {0x0C: 32 / 3, 0x14: 64 / 3}.get(part, part)
    return math.copysign((abs(steps) - part + exact) / 32, steps)
