"""Reading ICC profiles. Layout: ICC.1:2022, sections 7.2, 7.3 and 10; ICC.1:2001-04 for version 2."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lptn_retouch.color.srgb import Floats

SAMPLES = 65536
"""How finely a curve is sampled: once for each 16-bit value."""

_MOST_TAGS = 100
_PARAMETERS = (1, 3, 4, 5, 7)  # of each function type of a parametric curve


@dataclass(frozen=True, eq=False)
class Profile:
    """A profile, taken apart.

    Args:
        kind: the device class, "mntr", "scnr", "prtr" or "spac" for those that pictures have.
        model: of the colours it describes, "RGB", "GRAY", "CMYK", "Lab", ...
        xyz: it leads to XYZ, and not to Lab.
        tags: by their signatures.
    """

    kind: str
    model: str
    xyz: bool
    tags: Mapping[str, memoryview]

    @property
    def description(self) -> str:
        """Its name, "unknown" where it has none."""
        return _text(bytes(self.tags.get("desc", b"")[:10_000])) or "unknown"


def parse(data: bytes) -> Profile | None:
    """A profile's header and tags, or None where it has none.

    Example:
        >>> from lptn_retouch.color.profiles import srgb_profile
        >>> parse(srgb_profile()).model
        'RGB'
        >>> parse(b"no profile") is None
        True
    """
    if len(data) < 132 or data[36:40] != b"acsp":
        return None
    view = memoryview(data)
    tags: dict[str, memoryview] = {}
    for entry in range(min(int.from_bytes(data[128:132], "big"), _MOST_TAGS, (len(data) - 132) // 12)):
        name, start, length = struct.unpack_from(">4sII", data, 132 + 12 * entry)
        tags.setdefault(name.decode("latin-1"), view[start : start + length])
    kind, model, pcs = (data[at : at + 4].decode("latin-1").strip() for at in (12, 16, 20))
    return Profile(kind, model, pcs == "XYZ", tags)


def colorant(tag: memoryview) -> Floats | None:
    """The XYZ in an XYZType (10.31), or None."""
    if len(tag) < 20 or bytes(tag[:4]) != b"XYZ ":
        return None
    return np.frombuffer(tag[8:20], ">i4") / 65536


def curve(tag: memoryview) -> Floats | None:
    """A curveType (10.6) or parametricCurveType (10.18), sampled; None where it is damaged or does not rise.

    Returns:
        `SAMPLES` values in [0, 1] that never fall.

    Example:
        >>> curve(memoryview(b"curv\\0\\0\\0\\0" + bytes([0, 0, 0, 1, 2, 0])))[32768].round(3)  # a gamma of 2
        np.float64(0.25)
    """
    x = np.linspace(0, 1, SAMPLES)
    read = {b"curv": _table, b"para": _formula}.get(bytes(tag[:4]))
    values = read(tag, x) if read else None
    if values is None or not np.isfinite(values).all():
        return None
    values = np.maximum.accumulate(np.clip(values, 0, 1))
    return values if values[-1] - values[0] > 0.5 else None


def _table(tag: memoryview, x: Floats) -> Floats | None:
    count = int.from_bytes(tag[8:12], "big")
    if len(tag) < 12 + 2 * count or count > 2**20:
        return None
    entries = np.frombuffer(tag[12 : 12 + 2 * count], ">u2").astype(np.float64)
    if count == 0:
        return x
    if count == 1:
        return np.asarray(x ** (entries[0] / 256)) if entries[0] else None
    return np.interp(x, np.linspace(0, 1, count), entries / 65535)


def _formula(tag: memoryview, x: Floats) -> Floats | None:
    function = int.from_bytes(tag[8:10], "big")
    if function >= len(_PARAMETERS) or len(tag) < 12 + 4 * _PARAMETERS[function]:
        return None
    p = [float(v) / 65536 for v in np.frombuffer(tag[12 : 12 + 4 * _PARAMETERS[function]], ">i4")]
    g, a, b, c, d, e, f = p + [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(p) :]
    if g <= 0:
        return None
    if function in (1, 2):  # c, if any, is added everywhere, and the line below is level
        if a == 0:
            return None
        d, e, c, f = -b / a, c, 0.0, c
    elif function == 0:
        d = 0.0
    with np.errstate(all="ignore"):
        power = np.maximum(a * x + b, 0) ** g + e
    return np.where(x >= d, power, c * x + f)


def _text(tag: bytes) -> str:
    if tag[:4] == b"desc":  # version 2: a count, then ASCII
        raw = tag[12 : 12 + int.from_bytes(tag[8:12], "big")].split(b"\0")[0].decode("latin-1")
    elif tag[:4] == b"mluc":  # version 4: records of language, length, offset; the first will do
        length, start = int.from_bytes(tag[20:24], "big"), int.from_bytes(tag[24:28], "big")
        raw = tag[start : start + length].decode("utf-16-be", "ignore")
    else:
        return ""
    return "".join(c for c in raw if c.isprintable()).strip()[:200]
