"""Damage as files meet it, and as those who mean harm make it: what `fuzz.py` feeds."""

from __future__ import annotations

import itertools
import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

LONGEST = 4 << 20
_PNG = b"\x89PNG\r\n\x1a\n"
_LIES = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
         0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # fmt: skip


class Unit(NamedTuple):
    """A segment, chunk, box, resource or directory entry: its span, and where its length or count is written."""

    start: int
    end: int
    length_at: int
    length_size: int


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, damaged one to six times.

    Args:
        rng: decides everything.
        seeds: sound or damaged files; two may be joined.
    """
    source = rng.choice(seeds)
    kept = rng.choice((0, 0, 4, 16, 64))  # a header that stays, so that more than the first check is met
    data = bytearray(source)
    for _ in range(min(6, 1 + int(rng.expovariate(0.7)))):
        if not data:
            break
        rng.choice(_WAYS)(rng, data, seeds)
        del data[LONGEST:]
    if kept and rng.random() < 0.9:
        data[:kept] = source[:kept]
    if data.startswith(_PNG) and rng.random() < 0.7:
        _mend_checksums(data)
    return bytes(data)


def _place(rng: random.Random, data: bytearray) -> int:
    """Anywhere, but more often near the beginning, where structure is, than far inside, where pixels are."""
    if rng.random() < 0.3:
        return rng.randrange(len(data))
    return min(int(2 ** (rng.random() * len(data).bit_length())), len(data)) - 1


def _length(rng: random.Random, data: bytearray) -> int:
    return min(int(2 ** (rng.random() * 12)), len(data))


def _flip(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, size = _place(rng, data), _length(rng, data)
    size = min(size, len(data) - at)
    data[at : at + size] = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))


def _lie(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """A number that may be a length, a count or an offset, at any place."""
    units = _units(data)
    numbers = [*_LIES, len(data), len(data) - 1, _place(rng, data), *(rng.choice(units)[:2] if units else ())]
    _write(data, _place(rng, data), rng.choice((1, 2, 4, 4, 8)), rng.choice(numbers), rng.choice("<>"))


def _lie_of_unit(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    """The same where a length or count is known to stand."""
    units = _units(data)
    if not units:
        return _lie(rng, data, seeds)
    unit = rng.choice(units)
    true = unit.end - unit.start
    numbers = (*_LIES, true + 1, true - 1, true // 2, 2 * true, len(data), len(data) - unit.start)
    order = "<" if data[:2] == b"II" or data[:4] == b"RIFF" else ">"
    return _write(data, unit.length_at, unit.length_size, rng.choice(numbers), order)


def _write(data: bytearray, at: int, size: int, number: int, order: str) -> None:
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}[size]
    data[at : at + size] = struct.pack(order + code, number % (1 << 8 * size))[: len(data) - at]


def _cut(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _insert(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, source, size = _place(rng, data), _place(rng, data), _length(rng, data)
    data[at:at] = rng.choice((bytes(size), rng.randbytes(size), data[source : source + size]))


def _remove(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, data)
    del data[at : at + _length(rng, data)]


def _join(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    """The beginning of one file and the end of another."""
    other = rng.choice(seeds)
    data[_place(rng, data) :] = other[rng.randrange(len(other) + 1) :]


def _swap_units(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    units = _units(data)
    if len(units) < 2:
        return _join(rng, data, seeds)
    first, second = sorted(rng.sample(units, 2))
    if first.end > second.start:
        return None
    between = data[first.end : second.start]
    data[first.start : second.end] = data[second.start : second.end] + between + data[first.start : first.end]
    return None


def _repeat_unit(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    """A unit twice, or very often, as no real file has it: what takes squared time shows."""
    units = _units(data)
    if not units:
        return _insert(rng, data, seeds)
    unit = rng.choice(units)
    piece = bytes(data[unit.start : unit.end])
    times = rng.choice((1, 1, 2, 50, max(1, (1 << 20) // max(1, len(piece))) if rng.random() < 0.2 else 4))
    at = rng.choice((unit.end, rng.choice(units).start))
    data[at:at] = piece * times
    return None


def _remove_unit(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    units = _units(data)
    if not units:
        return _remove(rng, data, seeds)
    unit = rng.choice(units)
    del data[unit.start : unit.end]
    return None


_WAYS: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...] = (
    _flip, _flip, _overwrite, _lie, _lie, _lie_of_unit, _lie_of_unit, _cut, _insert, _remove, _join, _swap_units,
    _repeat_unit, _remove_unit,
)  # fmt: skip


def _units(data: bytearray) -> list[Unit]:
    """The units of a file by its kind; those of a JPEG, PNG, RIFF, box file, TIFF, or Photoshop's resources."""
    if data[:2] == b"\xff\xd8":
        return _chained(data, 2, 2, 2, ">", 2)
    if data.startswith(_PNG):
        return _chained(data, 8, 0, 4, ">", 12)
    if data[:4] == b"RIFF":
        return _chained(data, 12, 4, 4, "<", 8)
    if data[4:8] in (b"ftyp", b"JXL "):
        boxes = _chained(data, 0, 0, 4, ">", 0)
        inner = [_chained(data, box.start + skip, 0, 4, ">", 0, box.end) for box in boxes for skip in (8, 12)]
        return boxes + [unit for units in inner for unit in units]
    if data[:2] in (b"II", b"MM"):
        return _entries(data)
    if data[:4] == b"8BIM":
        return _chained(data, 0, 8, 4, ">", 12)
    if data[:1] == b"\x1c":
        return _chained(data, 0, 3, 2, ">", 5)
    return _elements(data) if data.lstrip()[:1] == b"<" else []


def _chained(
    data: bytearray, at: int, length_at: int, size: int, order: str, extra: int, end: int | None = None
) -> list[Unit]:
    """Units one behind the other, each as long as its length says, and some bytes more."""
    found: list[Unit] = []
    end = len(data) if end is None else end
    while at + length_at + size <= end and len(found) < 500:
        length = int.from_bytes(data[at + length_at : at + length_at + size], "little" if order == "<" else "big")
        stop = at + length + extra
        if stop <= at or stop > end:
            break
        found.append(Unit(at, stop, at + length_at, size))
        at = stop
    return found


def _entries(data: bytearray) -> list[Unit]:
    """The entries of all directories that can be found by following numbers that look like offsets of one."""
    order = "little" if data[:2] == b"II" else "big"
    pending, found, seen = [int.from_bytes(data[4:8], order)], [], set[int]()  # type: ignore[arg-type]
    while pending and len(found) < 500:
        at = pending.pop()
        count = int.from_bytes(data[at : at + 2], order)  # type: ignore[arg-type]
        if at in seen or not 0 < count < 500 or at + 2 + 12 * count > len(data):
            continue
        seen.add(at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            found.append(Unit(entry, entry + 12, entry + 4, 4))
            found.append(Unit(entry, entry + 12, entry + 8, 4))
            if int.from_bytes(data[entry : entry + 2], order) in (0x8769, 0x8825, 0xA005, 0x014A):  # type: ignore[arg-type]
                pending.append(int.from_bytes(data[entry + 8 : entry + 12], order))  # type: ignore[arg-type]
        pending.append(int.from_bytes(data[at + 2 + 12 * count : at + 6 + 12 * count], order))  # type: ignore[arg-type]
    return found


def _elements(data: bytearray) -> list[Unit]:
    """The elements of XML from their start to their end, so that moving one leaves it well-formed; and attributes."""
    found: list[Unit] = []
    opened: list[int] = []
    for tag in itertools.islice(re.finditer(rb"<(/?)[A-Za-z][^>]*?(/?)>", data), 1000):
        if tag[1] and opened:
            start = opened.pop()
            found.append(Unit(start, tag.end(), start + 1, 1))
        elif tag[2]:
            found.append(Unit(tag.start(), tag.end(), tag.start() + 1, 1))
        elif not tag[1]:
            opened.append(tag.start())
    attributes = itertools.islice(re.finditer(rb"""\s[\w:.-]+\s*=\s*("[^"<]*"|'[^'<]*')""", data), 500)
    return found + [Unit(match.start(), match.end(), match.start(1) + 1, 1) for match in attributes]


def _mend_checksums(data: bytearray) -> None:
    """The checksums of a PNG's chunks made right, so that readers look further."""
    for unit in _units(data):
        data[unit.end - 4 : unit.end] = zlib.crc32(data[unit.start + 4 : unit.end - 4]).to_bytes(4, "big")
