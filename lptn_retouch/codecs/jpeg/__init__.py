"""JPEG: what is ordinary straight through libjpeg-turbo, what is odd through Pillow, what has more bits by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Coding, Encoded, Format, Holds, Parts
from lptn_retouch.metadata import Block, Kind, Metadata
from lptn_retouch.metadata.blocks import jpeg_blocks
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.jpeg import Segment, jpeg_segments

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded
    from lptn_retouch.picture.samples import Pixels


class Jpeg(Format[list[Segment]]):
    """The segments before the first scan are walked once."""

    name, spoken, word = "JPEG", "a JPEG", "jpg"
    endings = (".jpg", ".jpeg", ".jpe")
    holds = Holds((8,), longest=65500, alpha=False)  # libjpeg's bound
    carries = frozenset({Kind.PHOTOSHOP, Kind.COMMENT, Kind.JFIF, Kind.EXTENDED_XMP, Kind.OTHER})

    def recognises(self, head: bytes) -> bool:
        return head.startswith(b"\xff\xd8\xff")

    def parse(self, data: Buffer) -> list[Segment]:
        return list(jpeg_segments(data))

    def read_blocks(self, structure: list[Segment]) -> tuple[Block, ...]:
        return jpeg_blocks(structure)

    def decode(self, picture: Encoded[list[Segment]]) -> Decoded:
        from lptn_retouch.codecs.jpeg import decoding, deep

        return deep.decode(picture) if deep.is_deep(picture.structure) else decoding.decode(picture)

    def encode(self, samples: Pixels, how: Coding) -> Parts:
        from lptn_retouch.codecs.jpeg.pixels import encode_parts

        return encode_parts(samples, how.quality, how.subsampling)

    def embed(self, head: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
        from lptn_retouch.codecs.jpeg.embed import embed_jpeg

        return embed_jpeg(head, metadata)
