"""Making ICC profiles of three primaries and a curve. Layout: ICC.1:2010 (4.3), sections 7, 8.4 and 9."""

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lptn_retouch.color.space import read_profile
from lptn_retouch.color.srgb import D50, D65, SRGB_PRIMARIES, Primaries, adaptation, colorants

Curve = float | tuple[float, float, float, float, float]
"""A gamma; or g, a, b, c, d of a curve that is ``(a x + b) ** g`` from d on and ``c x`` below it."""

SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

_ILLUMINANT_C = (0.310, 0.316)
_BT709: Curve = (1 / 0.45, 1 / 1.0993, 0.0993 / 1.0993, 1 / 4.5, 0.08124)
_SMPTE240: Curve = (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912)

# ITU-T H.273, table 2: where the primaries and the white lie.
_PRIMARIES: dict[int, tuple[Primaries, tuple[float, float]]] = {
    1: (SRGB_PRIMARIES, D65),
    2: (SRGB_PRIMARIES, D65),  # not specified
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), _ILLUMINANT_C),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), D65),
    6: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65),
    7: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65),
    8: (((0.681, 0.319), (0.243, 0.692), (0.145, 0.049)), _ILLUMINANT_C),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), (0.314, 0.351)),
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65),
    22: (((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), D65),
}
_PRIMARIES_NAMES = {1: "BT.709", 9: "BT.2020", 12: "Display P3"}

# ITU-T H.273, table 3: the curves, to linear light.
_TRANSFERS: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 14, 15), _BT709),
    2: SRGB_CURVE,  # not specified
    4: 2.2,
    5: 2.8,
    7: _SMPTE240,
    8: 1.0,
    13: SRGB_CURVE,
}
_HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}


class HighDynamicRangeError(ValueError):
    """The numbers mean light beyond white, which no profile of curves and primaries says."""


def matrix_profile(description: str, primaries: Primaries, white: tuple[float, float], curve: Curve) -> bytes:
    """A small display profile of version 4.

    Args:
        description: its name, ASCII.
        primaries: (x, y) of red, green and blue; no y is 0.
        white: (x, y), which light is adapted from, to D50, by Bradford's transform.
        curve: of all three channels, from samples to light.

    Raises:
        numpy.linalg.LinAlgError: the primaries lie on one line.

    Example:
        >>> profile = matrix_profile("Wide", ((0.7, 0.3), (0.2, 0.75), (0.14, 0.05)), D65, 2.2)
        >>> len(profile), read_profile(profile)[0].name
        (480, 'Wide')
    """
    red, green, blue = colorants(primaries, white).T
    tone = _parametric(curve)
    tags = {
        b"desc": _text(description),
        b"cprt": _text("No copyright"),
        b"wtpt": _xyz(D50),
        b"chad": b"sf32\0\0\0\0" + _fixed(adaptation(white).ravel()),
        b"rXYZ": _xyz(red),
        b"gXYZ": _xyz(green),
        b"bXYZ": _xyz(blue),
        b"rTRC": tone,
        b"gTRC": tone,
        b"bTRC": tone,
    }
    start = 128 + 4 + 12 * len(tags)
    table, body, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for name, data in tags.items():
        if data not in places:  # the three curves are one
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, places[data], len(data))
    header = struct.pack(
        ">I4sI4s4s4s6H4s4sIIIIII12s4s44x",
        start + len(body), b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ", 2025, 1, 1, 0, 0, 0, b"acsp", b"",
        0, 0, 0, 0, 0, 1, _fixed(D50), b"",
    )  # fmt: skip
    return header + table + body


def srgb_profile() -> bytes:
    """A profile of sRGB (IEC 61966-2-1).

    Example:
        >>> read_profile(srgb_profile())[0].is_srgb
        True
    """
    return matrix_profile("sRGB", SRGB_PRIMARIES, D65, SRGB_CURVE)


def adobe_rgb_profile() -> bytes:
    """A profile of Adobe RGB (1998), for pictures that say so in their EXIF only.

    References:
        Adobe RGB (1998) Color Image Encoding, version 2005-05, section 4.3.

    Example:
        >>> read_profile(adobe_rgb_profile())[0].name
        'Adobe RGB (1998)'
    """
    return matrix_profile("Adobe RGB (1998)", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), D65, 563 / 256)


def profile_from_png(gama: bytes | None, chrm: bytes | None) -> bytes | None:
    """What a PNG says of its colours in gAMA and cHRM chunks, as a profile.

    Args:
        gama: the payload of gAMA, or None.
        chrm: the payload of cHRM, or None.

    Returns:
        None where they amount to sRGB, or to nothing. A gAMA of 45455 with sRGB's primaries does: it stands for sRGB's
        curve.

    References:
        PNG, third edition, 11.3.2.1 and 11.3.2.2.

    Example:
        >>> profile_from_png((45455).to_bytes(4, "big"), None) is None
        True
        >>> read_profile(profile_from_png((100000).to_bytes(4, "big"), None))[0].name
        'PNG gamma 1'
    """
    gamma = int.from_bytes(gama, "big") / 100_000 if gama and len(gama) == 4 else 0.0
    curve: Curve = 1 / gamma if 0.1 <= gamma <= 2 else SRGB_CURVE
    name = f"PNG gamma {curve:.3g}" if isinstance(curve, float) else "PNG primaries"
    primaries, white = SRGB_PRIMARIES, D65
    if chrm and len(chrm) == 32:
        white, *rest = ((x / 100_000, y / 100_000) for x, y in struct.iter_unpack(">II", chrm))
        primaries = (rest[0], rest[1], rest[2])
    ordinary = np.allclose([*primaries, white], [*SRGB_PRIMARIES, D65], atol=0.002)
    if ordinary and abs(gamma - 0.45455) < 0.005:
        return None
    return _unless_srgb(name, primaries, white, curve)


def profile_from_cicp(primaries: int, transfer: int) -> bytes | None:
    """What a PNG's cICP chunk, or the nclx box of an AVIF or HEIF, says of its colours, as a profile.

    Args:
        primaries: the code point of the primaries.
        transfer: the code point of the curve.

    Returns:
        None where they amount to sRGB, or are reserved.

    Raises:
        HighDynamicRangeError: the curve is PQ or HLG.

    References:
        ITU-T H.273 (07/2024), tables 2 and 3.

    Example:
        >>> profile_from_cicp(1, 13) is None
        True
        >>> read_profile(profile_from_cicp(12, 13))[0].name
        'Display P3'
    """
    if transfer in _HIGH_DYNAMIC_RANGE:
        raise HighDynamicRangeError(_HIGH_DYNAMIC_RANGE[transfer])
    if primaries not in _PRIMARIES or transfer not in _TRANSFERS:
        return None
    name = _PRIMARIES_NAMES.get(primaries, f"H.273 primaries {primaries}")
    if transfer not in (2, 13):
        name += f", H.273 transfer {transfer}"
    return _unless_srgb(name, *_PRIMARIES[primaries], _TRANSFERS[transfer])


def _unless_srgb(name: str, primaries: Primaries, white: tuple[float, float], curve: Curve) -> bytes | None:
    if any(y < 0.001 or x + y > 1.001 for x, y in (*primaries, white)):
        return None
    try:
        profile = matrix_profile(name, primaries, white, curve)
    except (np.linalg.LinAlgError, struct.error):  # on a line, or so far out that no profile holds it
        return None
    space, doubts = read_profile(profile)
    return None if space.is_srgb or doubts else profile


def _parametric(curve: Curve) -> bytes:
    values: Sequence[float] = curve if isinstance(curve, tuple) else (curve,)
    return struct.pack(">4s4xHxx", b"para", 3 if len(values) == 5 else 0) + _fixed(values)


def _text(words: str) -> bytes:
    """One record in US English."""
    text = words.encode("utf-16-be")
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(text), 28) + text


def _xyz(value: npt.ArrayLike) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(value)


def _fixed(values: npt.ArrayLike) -> bytes:
    """Numbers as s15Fixed16."""
    numbers = np.rint(np.asarray(values, np.float64) * 65536)
    return struct.pack(f">{numbers.size}i", *(int(number) for number in numbers))
