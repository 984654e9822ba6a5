"""Camera RAW, developed by LibRaw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Encoded, Format
from lptn_retouch.metadata import Block
from lptn_retouch.structures import Buffer

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded


class Raw(Format[Buffer]):
    """Of any maker. Which it is `kind.raw_kind` tells, before any other container is asked."""

    name, spoken = "RAW", "a RAW"
    develops = True
    endings = (
        ".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".srf", ".orf", ".rw2", ".rwl", ".pef", ".raf",
        ".kdc", ".dcr", ".srw", ".3fr", ".erf", ".mef", ".mos", ".mrw", ".iiq", ".x3f",
    )  # fmt: skip

    def recognises(self, head: bytes) -> bool:
        return False

    def parse(self, data: Buffer) -> Buffer:
        return data

    def read_blocks(self, structure: Buffer) -> tuple[Block, ...]:
        from lptn_retouch.codecs.raw.blocks import metadata_from_raw

        return metadata_from_raw(structure)[0].blocks

    def decode(self, picture: Encoded[Buffer]) -> Decoded:
        from lptn_retouch.codecs.raw.develop import develop

        return develop(picture)
