"""What a PNG says of its colours elsewhere than in an ICC profile."""

from lptn_retouch.color import profile_from_png
from lptn_retouch.structures.png import PngFile

_LONGEST = 64  # bytes of a chunk: those that are asked for are shorter


def points(png: PngFile) -> tuple[int, int] | None:
    """The code points of cICP (PNG third edition, 11.3.2.6)."""
    cicp = _chunks(png).get(b"cICP", b"")
    return (cicp[0], cicp[1]) if len(cicp) == 4 else None


def profile(png: PngFile) -> bytes | None:
    """A profile of what gAMA and cHRM say, unless sRGB stands beside them (11.3.2)."""
    chunks = _chunks(png)
    return None if b"sRGB" in chunks else profile_from_png(chunks.get(b"gAMA"), chunks.get(b"cHRM"))


def _chunks(png: PngFile) -> dict[bytes, bytes]:
    """The first of each kind of chunk that stands before the rows, if it is short."""
    chunks: dict[bytes, bytes] = {}
    for chunk in png.chunks:
        if chunk.type == b"IDAT":
            break
        chunks.setdefault(chunk.type, bytes(png.data[chunk.start + 8 : min(chunk.end - 4, chunk.start + _LONGEST)]))
    return chunks
