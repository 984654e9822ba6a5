"""BMP in, through Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lptn_retouch.codecs.format import Encoded, Format
from lptn_retouch.structures import Buffer

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded

_DENSEST = 128  # pixels a byte: a run of 255 in two


class Bmp(Format[Buffer]):
    """It carries nothing but its pixels."""

    name, spoken = "BMP", "a BMP"
    endings = (".bmp",)

    def recognises(self, head: bytes) -> bool:
        return head.startswith(b"BM")

    def parse(self, data: Buffer) -> Buffer:
        return data

    def decode(self, picture: Encoded[Buffer]) -> Decoded:
        from lptn_retouch.codecs.pillow import decode

        decoded = decode(picture, "BmpImagePlugin.BmpImageFile", most=_DENSEST * len(picture.data))
        if decoded.pixels.shape[2] == 4 and not decoded.pixels[:, :, 3].any():
            # most writers leave the fourth byte at 0 and mean nothing by it
            decoded = decoded._replace(pixels=decoded.pixels[:, :, :3])
        return decoded
