"""What the header of a JPEG XL codestream says: size, depth, and what its numbers mean.

Source: ISO/IEC 18181-1 (JPEG XL core coding system), annexes B (bits), D (image header) and E (colour encoding).
"""

from dataclasses import dataclass

from lptn_retouch.codecs.decoded import DamageError
from lptn_retouch.color.srgb import D65, SRGB_PRIMARIES
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.boxes import walk

SRGB, LINEAR, PQ, DCI, HLG = 13, 8, 16, 17, 18
"""Transfer functions, by their numbers in H.273."""
XY = tuple[float, float]

_START = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_MAX_CHANNELS = 256
_HEADER = 1 << 16  # bytes in which all of it stands, names of channels included
_GREY, _XYB = 1, 2
_CUSTOM = 2
_WHITES: dict[int, XY] = {1: D65, 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
PRIMARIES: dict[int, tuple[XY, XY, XY]] = {
    1: SRGB_PRIMARIES,
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}


@dataclass
class Header:
    """An image header.

    Args:
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
        bits: a channel; of floats too.
        floats: samples are floating point.
        animated: there are several frames.
        has_icc: an ICC profile follows, and what is below means nothing.
        white: its chromaticity.
        primaries: those of red, green and blue.
        transfer: H.273 number of the transfer function; 0 where it is `gamma`.
        gamma: the exponent that decodes.
        transfer_at: bits from the codestream's start to the transfer function's number; 0 without one.
    """

    width: int = 0
    height: int = 0
    bits: int = 8
    floats: bool = False
    animated: bool = False
    has_icc: bool = False
    white: XY = D65
    primaries: tuple[XY, XY, XY] = SRGB_PRIMARIES
    transfer: int = SRGB
    gamma: float = 0.0
    transfer_at: int = 0


class _Bits:
    """A codestream from its least significant bit on (B.2)."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data

    def take(self, count: int) -> int:
        first, end = self.at >> 3, (self.at + count + 7) >> 3
        if end > len(self._data):
            raise DamageError("its header is cut short")
        value = int.from_bytes(self._data[first:end], "little") >> (self.at & 7)
        self.at += count
        return value & ((1 << count) - 1)

    def flag(self) -> bool:
        return self.take(1) == 1

    def u32(self, *choices: tuple[int, int]) -> int:
        """U32 (B.2.2): which of four pairs of an offset and a number of bits that are added to it."""
        offset, count = choices[self.take(2)]
        return offset + self.take(count)

    def enum(self) -> int:
        return self.u32((0, 0), (1, 0), (2, 4), (18, 6))

    def xy(self) -> XY:
        """A chromaticity in millionths, with its sign in the lowest bit (E.2)."""
        x, y = (self.u32((0, 19), (1 << 19, 19), (1 << 20, 20), (1 << 21, 21)) for _ in range(2))
        return tuple(((v >> 1) ^ -(v & 1)) / 1e6 for v in (x, y))  # type: ignore[return-value]


def codestream_at(data: Buffer) -> int | None:
    """Where the codestream starts, bare or in a container's boxes (ISO/IEC 18181-2); None where there is none."""
    if data[:2] == _START:
        return 0
    box = next((box for box in walk(data) if box.type in (b"jxlc", b"jxlp")), None)
    at = None if box is None else box.at + 4 * (box.type == b"jxlp")
    return at if at is not None and data[at : at + 2] == _START else None


def read_header(data: Buffer) -> Header:
    """Read the header of a JPEG XL file.

    Args:
        data: the file.

    Raises:
        DamageError: there is none, or it is damaged.

    Example:
        >>> header = read_header(bytes.fromhex("ff0a fa131c001388020038571a192250"))
        >>> header.width, header.height, header.bits, header.transfer
        (960, 640, 8, 13)
    """
    start = codestream_at(data)
    if start is None:
        raise DamageError("there is no picture in it")
    bits = _Bits(bytes(data[start : start + _HEADER]))
    bits.take(16)
    header = Header()
    header.width, header.height = _size(bits)
    if bits.flag():
        return header
    if bits.flag():
        orientation = bits.take(3) + 1
        if orientation > 4:
            header.width, header.height = header.height, header.width
        if bits.flag():
            _size(bits)
        if bits.flag():
            _preview(bits)
        if bits.flag():
            header.animated = True
            _animation(bits)
    header.bits, header.floats = _depth(bits)
    bits.take(1)
    for _ in range(min(bits.u32((0, 0), (1, 0), (2, 4), (1, 12)), _MAX_CHANNELS)):
        _extra_channel(bits)
    bits.take(1)
    _colours(bits, header)
    return header


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.flag()

    def side() -> int:
        return 8 * (bits.take(5) + 1) if small else bits.u32((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    if ratio == 0:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _preview(bits: _Bits) -> None:
    eighths = bits.flag()
    sides = ((16, 0), (32, 0), (1, 5), (33, 9)) if eighths else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.u32(*sides)
    if bits.take(3) == 0:
        bits.u32(*sides)


def _animation(bits: _Bits) -> None:
    bits.u32((100, 0), (1000, 0), (1, 10), (1, 30))
    bits.u32((1, 0), (1001, 0), (1, 8), (1, 10))
    bits.u32((0, 0), (0, 3), (0, 16), (0, 32))
    bits.take(1)


def _depth(bits: _Bits) -> tuple[int, bool]:
    if not bits.flag():
        return bits.u32((8, 0), (10, 0), (12, 0), (1, 6)), False
    depth = bits.u32((32, 0), (16, 0), (24, 0), (1, 6))
    bits.take(4)
    return depth, True


def _extra_channel(bits: _Bits) -> None:
    alpha, spot, filters = 0, 2, 5
    if bits.flag():
        return
    kind = bits.enum()
    _depth(bits)
    bits.u32((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.u32((0, 0), (0, 4), (16, 5), (48, 10)))
    if kind == alpha:
        bits.take(1)
    elif kind == spot:
        bits.take(4 * 16)
    elif kind == filters:
        bits.u32((1, 0), (0, 2), (3, 4), (19, 8))


def _colours(bits: _Bits, header: Header) -> None:
    if bits.flag():
        return
    header.has_icc = bits.flag()
    space = bits.enum()
    if header.has_icc or space == _XYB:
        return
    white = bits.enum()
    header.white = bits.xy() if white == _CUSTOM else _WHITES.get(white, header.white)
    if space != _GREY:
        primaries = bits.enum()
        given = (bits.xy(), bits.xy(), bits.xy()) if primaries == _CUSTOM else PRIMARIES.get(primaries)
        header.primaries = given or header.primaries
    if bits.flag():
        header.transfer, header.gamma = 0, 1e7 / max(bits.take(24), 1)
        return
    header.transfer_at = bits.at
    header.transfer = bits.enum()
