"""GIF in, through Pillow; what it carries besides its pixels are comments, XMP and a colour profile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Encoded, Format
from lptn_retouch.metadata.blocks import COMMENT, Block, Kind, icc_blocks, xmp_block
from lptn_retouch.structures import Buffer

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded

_MAX_BLOCKS = 100_000
_MOST_BYTES = 16 << 20
_EXTENSION, _IMAGE = 0x21, 0x2C
_COMMENT_LABEL, _APPLICATION_LABEL = 0xFE, 0xFF
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
# Behind an XMP packet these bytes bring every reader that takes the packet for sub-blocks to its end.
_MAGIC = bytes((1, *range(255, -1, -1)))


class Gif(Format[Buffer]):
    """The first picture of it."""

    name, spoken = "GIF", "a GIF"
    endings = (".gif",)
    carries = frozenset({Kind.COMMENT})

    def recognises(self, head: bytes) -> bool:
        return head.startswith((b"GIF87a", b"GIF89a"))

    def parse(self, data: Buffer) -> Buffer:
        return data

    def read_blocks(self, structure: Buffer) -> tuple[Block, ...]:
        return gif_blocks(structure)

    def decode(self, picture: Encoded[Buffer]) -> Decoded:
        from lptn_retouch.codecs.pillow import decode

        return decode(picture, "GifImagePlugin.GifImageFile")


def gif_blocks(data: Buffer) -> tuple[Block, ...]:
    """The metadata of a GIF. Never raises: of a damaged file it takes what stands in front of the damage.

    Args:
        data: the whole file.

    >>> gif_blocks(b"GIF89a" + bytes(7) + b"\\x21\\xfe\\x02hi\\0;")
    (Block(marker=254, data=b'hi'),)

    Source: GIF89a, 24 (comment) and 26 (application extension); XMP part 3, 1.1.2; ICC.1:2022 B.6.
    """
    found: list[Block] = []
    room = _MOST_BYTES
    for label, at, end in _extensions(data):
        if end - at > room:
            return tuple(found)
        if label == _COMMENT_LABEL:
            room -= end - at
            found.append(Block(COMMENT, _joined(data, at)))
        elif label == _APPLICATION_LABEL and bytes(data[at : at + 12]) == b"\x0b" + _XMP:
            room -= end - at
            # The packet is not in sub-blocks: it stands there as it is.
            packet, magic, _ = bytes(data[at + 12 : end]).partition(_MAGIC)
            if magic and packet:
                found.append(xmp_block(packet))
        elif label == _APPLICATION_LABEL and bytes(data[at : at + 12]) == b"\x0b" + _ICC:
            room -= end - at
            found += icc_blocks(_joined(data, at + 12))
    return tuple(found)


def _extensions(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """The extensions: label, and the span of their sub-blocks up to the closing one."""
    if bytes(data[:4]) != b"GIF8" or len(data) < 13:
        return
    at = 13 + _table(data[10])
    for _ in range(_MAX_BLOCKS):
        if at + 2 > len(data):
            return
        if data[at] == _EXTENSION:
            start = at + 2
        elif data[at] == _IMAGE and at + 10 < len(data):
            start = at + 11 + _table(data[at + 9])
        else:
            return
        end = _skipped(data, start)
        if end is None:
            return
        if data[at] == _EXTENSION:
            yield data[at + 1], start, end
        at = end + 1


def _table(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skipped(data: Buffer, at: int) -> int | None:
    """Where the closing sub-block of those that start here stands; None where the file ends before."""
    while at < len(data):
        if data[at] == 0:
            return at
        at += 1 + data[at]
    return None


def _joined(data: Buffer, at: int) -> bytes:
    parts = []
    while data[at]:
        parts.append(bytes(data[at + 1 : at + 1 + data[at]]))
        at += 1 + data[at]
    return b"".join(parts)
