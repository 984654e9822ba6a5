"""AVIF in and out, HEIC in: pictures in the boxes of ISO/IEC 23008-12 (HEIF)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Coding, Encoded, Format, Holds, Parts
from lptn_retouch.codecs.heif.brands import AVIF, HEIC, brand
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.heif_items import Items

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded
    from lptn_retouch.picture.samples import Pixels


class _Heif(Format[Items | None]):
    def parse(self, data: Buffer) -> Items | None:
        try:
            return Items(data)
        except MetadataError:  # the decoder will say what is wrong
            return None

    def read_blocks(self, structure: Items | None) -> tuple[Block, ...]:
        from lptn_retouch.codecs.heif.blocks import heif_blocks

        return heif_blocks(structure) if structure is not None else ()

    def colour_points(self, structure: Items | None) -> tuple[int, int] | None:
        from lptn_retouch.codecs.heif.blocks import nclx

        found = nclx(structure) if structure is not None else None
        return found[:2] if found else None


class Avif(_Heif):
    """AV1 in HEIF's boxes."""

    name, spoken, word = "AVIF", "an AVIF", "avif"
    endings = (".avif",)
    holds = Holds((8, 16), longest=32768, largest=1 << 28, grey=False)  # libavif's bounds

    def recognises(self, head: bytes) -> bool:
        return brand(head) == AVIF

    def decode(self, picture: Encoded[Items | None]) -> Decoded:
        from lptn_retouch.codecs.heif import avif

        bits = avif.bits(picture.structure)
        return avif.decode_deep(picture, bits) if bits > 8 else avif.decode(picture)

    def encode(self, samples: Pixels, how: Coding) -> Parts:
        from lptn_retouch.codecs.heif.avif import encode

        return [encode(samples, how.quality)]

    def embed(self, head: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
        from lptn_retouch.codecs.heif.blocks import embed_avif

        return embed_avif(head, metadata)


class Heic(_Heif):
    """All that HEIF's boxes hold besides AV1; most of all HEVC, from telephones."""

    name, spoken = "HEIC", "a HEIC"
    endings = (".heic", ".heif")

    def recognises(self, head: bytes) -> bool:
        return brand(head) == HEIC

    def decode(self, picture: Encoded[Items | None]) -> Decoded:
        from lptn_retouch.codecs.heif.heic import decode

        return decode(picture)
