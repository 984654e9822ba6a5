"""TIFF in and out, through tifffile: any depth, strips and tiles, either byte order, BigTIFF.

What only scanners and faxes write (bilevel codes, YCbCr, less than 8 bits) goes to Pillow, which has libtiff.

Source: TIFF 6.0 (Adobe, 1992) and its Technical Notes (Adobe, 2002).
"""

import io
import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from PIL import Image

from lptn_retouch.codecs.decoded import (
    DamageError,
    Decoded,
    from_inks,
    in_range,
    several,
    three_channels,
    unpremultiplied,
)
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.codecs.limits import DEFLATE_RATIO, MAX_PIXELS
from lptn_retouch.codecs.pillow import check, decoded, header
from lptn_retouch.codecs.stderr import captured_stderr
from lptn_retouch.color import lab_to_srgb
from lptn_retouch.errors import UnreadablePhotoError, UnsupportedPhotoError
from lptn_retouch.picture.orientation import upright
from lptn_retouch.picture.samples import Pixels
from lptn_retouch.structures.jpeg import jpeg_size
from lptn_retouch.structures.tiff import Tiff
from lptn_retouch.threads import thread_count

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or it tells the terminal of every odd tag

_ORIENTATION, _ICC, _SUBFILE, _BITS = 274, 34675, 254, 258
_NEEDED = (256, 257, 259)  # width, length, compression: without them Pillow would guess
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INKS, _YCBCR, _LAB, _ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
_CHANNELS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _INKS: 4, _LAB: 3, _ICC_LAB: 3}
_JPEG = 7
# The most that a compression makes of a byte: none, LZW, Deflate (both numbers), PackBits, LZMA, Zstandard (both),
# JPEG, and the fax codes, which have no bound.
_RATIOS = {1: 1, 5: 1400, 8: DEFLATE_RATIO, 32946: DEFLATE_RATIO, 32773: 64, 34925: 1 << 16, 34926: 1 << 16,
           50000: 1 << 16, _JPEG: 6000, 2: 1 << 30, 3: 1 << 30, 4: 1 << 30}  # fmt: skip
_FOR_PILLOW = frozenset({2, 3, 4, 6, _JPEG, 32771})  # fax codes and JPEG
_REDUCED_OR_MASK = 0b101  # of NewSubfileType: a thumbnail, or a transparency mask
_ASSOCIATED, _UNASSOCIATED = 1, 2
_SEPARATE = 2  # of PlanarConfiguration
_MOST_PAGES = 64
_MOST_BYTES = 16 * MAX_PIXELS  # of all samples: four channels of 32 bits
_MOST_CHANNELS = 16
_ROWS = 64
_DOUBTFUL = "Its decoder met damage in it, so look whether the whole picture is sound."
_ONE_OF_TWO = "Only one of two decoders could read it, so look whether the whole picture is sound."
_ONLY_REDUCED = "Its header calls it a reduced copy of a larger picture, which the file does not hold."


def decode(picture: Encoded[Tiff | None]) -> Decoded:
    """Decode the first picture of a TIFF that is neither a thumbnail nor a mask, upright.

    What one library cannot decode the other is asked for, before the file is refused.

    Raises:
        UnreadablePhotoError: damaged or cut short.
        UnsupportedPhotoError: too large, or samples that are no picture's.
        DamageError: what is wrong with it.
        Exception: what the libraries say of a damaged one.
    """
    import tifffile

    try:
        tiff = tifffile.TiffFile(picture.file, name="picture", offset=0)
        found = _picture(tiff)
    except Exception as error:
        return _without_tifffile(picture, error)
    with tiff:
        return _decoded_page(picture, tiff, *found)


def _without_tifffile(picture: Encoded[Tiff | None], error: Exception) -> Decoded:
    """What Pillow makes of a file that tifffile cannot open; that library's error where Pillow's word is not enough.

    Pillow gives 8 bits of each sample that has more, and passes over tags that it cannot read. So those that it needs
    must be there.
    """

    def refused() -> Decoded:
        raise error

    def with_pillow() -> Decoded:
        picture.file.seek(0)
        return _with_pillow(picture, picture.file, picture.metadata.icc)

    tiff = picture.structure
    first = tiff.ifd(tiff.first) if tiff is not None else None
    if tiff is None or first is None:
        return refused()
    bits, kind = tiff.numbers(first.get(_BITS)), tiff.number(first.get(_SUBFILE)) or 0
    vouched = all((entry := first.get(tag)) is not None and entry.count == 1 for tag in _NEEDED)
    plain = bits and max(bits) <= 8 and not kind & _REDUCED_OR_MASK
    return _first_of(refused, with_pillow) if vouched and plain else refused()


def _decoded_page(picture: Encoded[Tiff | None], tiff: Any, first: Any, page: Any, notices: tuple[str, ...]) -> Decoded:
    """Decode the page that `_picture` chose, by the library that is better at its kind."""
    file = picture.file
    elsewhere = page is not first
    own_icc = page.tags.valueof(_ICC) if elsewhere else None
    icc = own_icc or picture.metadata.icc

    def with_tifffile() -> Decoded:
        return _with_tifffile(picture, page, icc)

    def with_pillow() -> Decoded:
        file.seek(0)
        return _with_pillow(picture, io.BytesIO(_led_to(tiff, file.read(), page.offset)) if elsewhere else file, icc)

    kind, bits = int(page.photometric), page.bitspersample
    if kind == _YCBCR or int(page.compression) in _FOR_PILLOW or bits == 1 or (bits in (2, 4) and kind != _RGB):
        found = _first_of(with_pillow, with_tifffile)
    elif bits <= 8:
        found = _first_of(with_tifffile, with_pillow)
    else:  # of which Pillow would give eight
        found = with_tifffile()
    if elsewhere and _ORIENTATION not in page.tags:  # which stands where the photograph is described
        found = found._replace(pixels=upright(found.pixels, first.tags.valueof(_ORIENTATION, 1)))
    return found._replace(icc=own_icc, notices=notices + found.notices)


def _with_pillow(picture: Encoded[Any], file: BinaryIO, icc: bytes | None) -> Decoded:
    image = header(file, "TiffImagePlugin.TiffImageFile")
    check(picture, image)
    with captured_stderr() as complaints:  # libtiff tells of damage nowhere else
        image.load()  # and turned upright
    found = from_inks(np.asarray(image), icc) if image.mode == "CMYK" else decoded(image)
    return found._replace(upright=True, notices=((_DOUBTFUL,) if complaints else ()) + found.notices)


def _first_of(one: Callable[[], Decoded], other: Callable[[], Decoded]) -> Decoded:
    """What one decoder gives, or else the other; the one's error where neither can."""
    try:
        return one()
    except (UnreadablePhotoError, MemoryError):  # seen here, not by a decoder
        raise
    except Exception as error:
        try:
            found = other()
        except Exception:
            raise error from None
        is_limit = isinstance(error, UnsupportedPhotoError | Image.DecompressionBombError)
        return found if is_limit else found._replace(notices=(*found.notices, _ONE_OF_TWO))


def _led_to(tiff: Any, data: bytes, offset: int) -> bytes:
    """The file with the directory at this offset as its first."""
    at, code = (8, "Q") if tiff.is_bigtiff else (4, "I")
    place = struct.pack(tiff.byteorder + code, offset)
    return b"".join((data[:at], place, memoryview(data)[at + len(place) :]))


def _with_tifffile(picture: Encoded[Any], page: Any, icc: bytes | None) -> Decoded:
    _check_samples(page, picture.name)
    picture.check_size(page.imagewidth, page.imagelength, _sample_type(page))
    _check_segments(picture.file, page, picture.name, len(picture.data))
    samples = page.asarray(maxworkers=thread_count()).reshape(page.shape)
    if page.planarconfig == _SEPARATE and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, 2)
    if samples.ndim == 2:
        samples = samples[:, :, None]
    if samples.dtype == bool:
        samples = samples.astype(np.uint8)
    extra = tuple(int(sample) for sample in page.extrasamples)
    found = _decoded(samples, _kind(page), page.bitspersample, extra, page.colormap, icc)
    return found._replace(pixels=upright(found.pixels, page.tags.valueof(_ORIENTATION, 1)), upright=True)


def _kind(page: Any) -> int:
    """The colour model of what tifffile decodes: JPEG's YCbCr becomes RGB."""
    kind = int(page.photometric)
    return _RGB if kind == _YCBCR and int(page.compression) == _JPEG else kind


def _picture(tiff: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """The first directory, that of the picture, and a notice where there are more, or where the whole one is missing.

    Cameras and editors put a small copy first, and the whole picture into a directory below it (TIFF 6.0, Adobe's
    Technical Note 1, "SubIFD trees").
    """
    pages = _directories(tiff)
    if not pages:
        raise DamageError("it holds no picture")
    pictures = []
    for page in pages:
        below = _directories(page) if _is_copy(page) else []
        whole = [page for page in (page, *below) if not _is_copy(page)]
        pictures += sorted(whole, key=lambda page: -page.imagewidth * page.imagelength)[:1]
    if not pictures:
        return pages[0], pages[0], (_ONLY_REDUCED,) if int(pages[0].subfiletype) & 1 else ()
    return pages[0], pictures[0], several(len(pictures))


def _directories(above: Any) -> list[Any]:
    """The directories of a file, or those below a directory, up to the first that is damaged."""
    found: list[Any] = []
    with suppress(Exception):
        for number in range(_MOST_PAGES):
            found.append(above.pages[number])
    return found


def _is_copy(page: Any) -> bool:
    return bool(int(page.subfiletype) & _REDUCED_OR_MASK)


def _check_samples(page: Any, name: str) -> None:
    """Refuse what is no photograph's: by what the header says of its samples."""
    kind, coding = _kind(page), int(page.compression)
    if kind not in _CHANNELS:
        raise UnsupportedPhotoError(f"{name}: its colour model (number {kind}) is not read; save it as RGB first.")
    if coding not in _RATIOS:
        raise UnsupportedPhotoError(
            f"{name}: its compression (number {coding}) is not read; save it with Deflate or LZW first."
        )
    if page.dtype is None or page.dtype.kind not in "buif" or page.imagedepth != 1:
        raise UnsupportedPhotoError(f"{name}: its samples are no photograph's; save it as 16 bits first.")
    if page.dtype.kind in "if" and kind not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
        raise UnsupportedPhotoError(f"{name}: its colours are {page.dtype} but not RGB; save it as RGB first.")
    if not _CHANNELS[kind] <= page.samplesperpixel <= _MOST_CHANNELS:
        raise UnsupportedPhotoError(
            f"{name}: it has {page.samplesperpixel} channels, which its colour model does not; save it as RGB first."
        )


def _sample_type(page: Any) -> str:
    """The type that its pixels will have."""
    return "float32" if page.dtype.kind == "f" else "uint8" if page.bitspersample <= 8 else "uint16"


def _check_segments(file: BinaryIO, page: Any, name: str, size: int) -> None:
    """Refuse strips and tiles that are missing, reach past the file's end, or are larger than a picture's may be."""
    width, height = page.imagewidth, page.imagelength
    if width * height * page.samplesperpixel * page.dtype.itemsize > _MOST_BYTES:
        raise UnsupportedPhotoError(f"{name}: its samples take more memory than a picture's do; save it as RGB first.")
    wide, high = (page.tilewidth, page.tilelength) if page.is_tiled else (width, min(page.rowsperstrip, height))
    if min(wide, high) <= 0 or wide * high > 4 * max(width * height, 1 << 20):
        raise UnreadablePhotoError(f"{name}: its tiles are larger than its picture; copy it again from its source.")
    planes = page.samplesperpixel if page.planarconfig == _SEPARATE else 1
    needed = -(-width // wide) * -(-height // high) * planes
    extents = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if len(extents) < needed or any(count <= 0 or at + count > size for at, count in extents[:needed]):
        raise UnreadablePhotoError(f"{name}: the file ends before its picture does; copy it again from its source.")
    for at, count in extents[:needed] if int(page.compression) == _JPEG else ():
        file.seek(at)
        across, down = jpeg_size(file.read(count)) or (0, 0)
        if across > wide or down > high:
            raise UnreadablePhotoError(f"{name}: its tiles disagree with its header; copy it again from its source.")
    promised = width * height * page.samplesperpixel * page.bitspersample // 8
    if promised > _RATIOS[int(page.compression)] * sum(count for _, count in set(extents[:needed])):
        raise UnreadablePhotoError(
            f"{name}: its header promises {width * height:,} pixels, more than its {size:,} bytes can hold; "
            "it is cut short or made up, so copy it again from its source."
        )


def _decoded(
    samples: Pixels, kind: int, bits: int, extra: tuple[int, ...], colormap: Any, icc: bytes | None
) -> Decoded:
    """Samples (H, W, channels) of any type as a picture."""
    channels = _CHANNELS[kind]
    at = next((i for i, sort in enumerate(extra) if sort in (_ASSOCIATED, _UNASSOCIATED)), None)
    alpha = None
    notices: tuple[str, ...] = ()
    if samples.shape[2] > channels + (at is not None):
        notices = ("It has further channels, which were left out.",)
    if kind == _PALETTE:
        colours = _looked_up(samples[:, :, 0], colormap)
        if at is not None:
            alpha, _ = in_range(samples[:, :, channels + at, None], bits)
            alpha = alpha if colours.dtype == alpha.dtype else alpha.astype(np.uint16) * np.uint16(257)
        return Decoded(_with(colours, alpha), converted=False, notices=notices)
    kept = list(range(channels)) + ([] if at is None else [channels + at])
    samples, said = in_range(samples if len(kept) == samples.shape[2] else samples[:, :, kept], bits)
    if at is not None and extra[at] == _ASSOCIATED:
        samples = unpremultiplied(samples)
    colours, alpha = samples[:, :, :channels], samples[:, :, channels:] if at is not None else None
    notices += said
    if kind == _WHITE_IS_ZERO:
        colours = (1 if colours.dtype.kind == "f" else np.iinfo(colours.dtype).max) - colours
    elif kind == _INKS:
        inks = from_inks(colours, icc)
        colours, notices = inks.pixels, notices + inks.notices
    elif kind in (_LAB, _ICC_LAB):
        colours = lab_to_srgb(np.ascontiguousarray(colours), signed=kind == _LAB)
        notices += ("Its CIELab colours were converted to sRGB.",)
    pixels, grey = three_channels(_with(colours, alpha))
    return Decoded(np.ascontiguousarray(pixels), grey, converted=kind in (_INKS, _LAB, _ICC_LAB), notices=notices)


def _with(colours: Pixels, alpha: Pixels | None) -> Pixels:
    return colours if alpha is None else np.concatenate([colours, alpha], axis=2)


def _looked_up(indices: Pixels, colormap: Any) -> Pixels:
    """A palette's colours; 8 bits where they say no more than that."""
    colours = np.asarray(colormap, np.uint16).T
    if (colours % 257 == 0).all() or (colours % 256 == 0).all():
        colours = (colours >> 8).astype(np.uint8)
    return colours[np.minimum(indices, len(colours) - 1)]


def encode(pixels: Pixels, byte_order: str = "<") -> bytes:
    """Encode a picture without loss: deflated strips after a horizontal predictor.

    Args:
        pixels: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), uint8, uint16 or float32.
        byte_order: "<" or ">".

    Example:
        >>> import tifffile
        >>> ramp = np.arange(600, dtype=np.uint16).reshape(10, 20, 3)
        >>> bool((tifffile.imread(io.BytesIO(encode(ramp, ">"))) == ramp).all())
        True
    """
    import tifffile

    out = io.BytesIO()
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    tifffile.imwrite(
        out,
        pixels,
        byteorder=cast(Literal["<", ">"], byte_order),
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="adobe_deflate",
        compressionargs={"level": 4},
        predictor=True,
        rowsperstrip=_ROWS,
        maxworkers=thread_count(),
        metadata=None,
        software=False,
    )
    return out.getvalue()
