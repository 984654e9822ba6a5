"""AVIF in and out. 8 bits a channel through Pillow, which needs no colour tags; 10 and 12 bits through imagecodecs."""

import io

import imagecodecs
import numpy as np
from PIL import Image, ImageFile

from lptn_retouch.codecs.decoded import Decoded, three_channels, widened
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.codecs.pillow import check, decoded, frames, header
from lptn_retouch.errors import MetadataError
from lptn_retouch.picture.orientation import upright
from lptn_retouch.picture.samples import Pixels
from lptn_retouch.structures.heif_items import Items
from lptn_retouch.threads import thread_count

_BT709, _SRGB, _BT601 = 1, 13, 6  # ITU-T H.273: code points of primaries, transfer and matrix
_BITS = 12
_PILLOW = "AvifImagePlugin.AvifImageFile"
_ORIENTATION = 0x0112
_SPEED = 6


def bits(items: Items | None) -> int:
    """Bits a channel of the primary picture; 8 where the file does not say.

    Source: ISO/IEC 23008-12 6.5.6 (pixi); AV1 Codec ISO Media File Format Binding 1.2, 2.3.3 (av1C).
    """
    if items is None:
        return 8
    try:
        primary = items.primary()
        boxes = items.properties(primary) if primary is not None else ()
    except MetadataError:  # the decoder will say what is wrong
        return 8
    data = items.data
    for box in boxes:
        if box.type == b"pixi" and box.at + 5 < box.end:  # also of pictures put together from tiles
            return data[box.at + 5]
        if box.type == b"av1C" and box.at + 2 < box.end and data[box.at + 2] & 0x40:
            return 12 if data[box.at + 2] & 0x20 else 10
    return 8


def decode(picture: Encoded[Items | None]) -> Decoded:
    """Decode an AVIF of 8 bits a channel, upright.

    Raises:
        UnsupportedPhotoError: it is too large.
        Exception: Pillow's, of a damaged file.
    """
    head = header(io.BytesIO(picture.data), _PILLOW)
    check(picture, head)
    notices, turn = frames(head), _turn(head)
    head.load()
    found = decoded(head)
    return found._replace(pixels=upright(found.pixels, turn), upright=True, notices=notices)


def decode_deep(picture: Encoded[Items | None], bits: int) -> Decoded:
    """Decode an AVIF of 10 or 12 bits a channel at 16 bits, upright.

    Raises:
        UnsupportedPhotoError: it is too large.
        Exception: whatever is wrong with a damaged one.
    """
    head = header(io.BytesIO(picture.data), _PILLOW)
    picture.check_size(*head.size, "uint16")
    samples = np.asarray(imagecodecs.avif_decode(picture.data, index=0, numthreads=thread_count()))
    pixels, grey = three_channels(samples)
    return Decoded(upright(widened(pixels, bits), _turn(head)), grey, upright=True, notices=frames(head))


def _turn(head: ImageFile.ImageFile) -> int:
    """How the file's own boxes (irot, imir) want the pixels turned. Neither library does that; Pillow tells it."""
    return int(head.getexif().get(_ORIENTATION, 1))


def encode(pixels: Pixels, quality: int) -> bytes:
    """Encode a picture.

    Args:
        pixels: (H, W, 3) or (H, W, 4); uint8, or uint16, of which 12 bits are kept.
        quality: 1 to 100.

    Example:
        >>> grey = np.full((40, 60, 3), 90, np.uint8)
        >>> with Image.open(io.BytesIO(encode(grey, 90))) as image:
        ...     image.size
        (60, 40)
    """
    if pixels.dtype == np.uint8:
        out = io.BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        picture.save(out, "AVIF", quality=quality, speed=_SPEED, subsampling="4:4:4", max_threads=thread_count())
        return out.getvalue()
    kept = ((pixels.astype(np.uint32) * ((1 << _BITS) - 1) + 32767) // 65535).astype(np.uint16)
    return bytes(
        imagecodecs.avif_encode(
            kept,
            quality,
            speed=_SPEED,
            bitspersample=_BITS,
            pixelformat="444",
            numthreads=thread_count(),
            primaries=_BT709,
            transfer=_SRGB,
            matrix=_BT601,
        )
    )
