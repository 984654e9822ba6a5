"""Camera RAW, developed by LibRaw to 16-bit sRGB, as bright as the preview that the camera embedded."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from lptn_retouch.codecs.decoded import Decoded
from lptn_retouch.codecs.format import Encoded
from lptn_retouch.codecs.limits import check_size
from lptn_retouch.codecs.raw.blocks import metadata_from_raw
from lptn_retouch.codecs.raw.exposure import (
    FloatArray,
    default_gain,
    gain_from_preview,
    linear_from_srgb,
    shrink,
    srgb16_table,
)
from lptn_retouch.codecs.raw.kind import cut_short, directories
from lptn_retouch.codecs.stderr import captured_stderr
from lptn_retouch.color import srgb_profile
from lptn_retouch.errors import LptnRetouchError, UnreadablePhotoError, UnsupportedPhotoError
from lptn_retouch.files import open_regular
from lptn_retouch.metadata import Metadata
from lptn_retouch.picture.orientation import unflipped
from lptn_retouch.structures import Buffer

_FIT_SIZE = 256
"""Longest side, in pixels, of the two pictures whose brightness is compared."""

_FEWEST_ROWS = 8
_LONGEST_SIDECAR = 1 << 20

_NO_PREVIEW = "It holds no usable preview, so its brightness is set by middle grey and may differ from the camera's."
_DOUBTFUL = "LibRaw found damaged values in it, so look whether the whole picture is sound."
_ENDS_FLAT = "Its last rows are all alike, so look whether the end of the picture is missing."
_NO_WHITE_BALANCE = "It holds no white balance, so daylight is assumed and its colours may have a cast."
_NO_METADATA = "Its shooting data could not be read, so the result carries none."


def develop(picture: Encoded[Buffer]) -> Decoded:
    """Develop a RAW: the camera's white balance, its frame, its way up; 16-bit sRGB; brightness from the preview.

    Returns:
        uint16 pixels, and the metadata that goes with them.

    Raises:
        UnreadablePhotoError: damaged or cut short.
        UnsupportedPhotoError: LibRaw does not know this camera or compression, or the picture is too large.
    """
    if cut_short(directories(picture.file), len(picture.data)):
        raise UnreadablePhotoError(
            f"{picture.name}: the file ends before its picture does; copy it again from the camera."
        )
    held = _Held(bytes(picture.data))
    shot, notices = _decoded(picture, held)
    sample: FloatArray = shrink(shot.linear, _FIT_SIZE).astype(np.float32) / np.float32(65535)
    gain = None if shot.preview is None else gain_from_preview(sample, shot.preview)
    if gain is None:
        gain = default_gain(sample)
        notices += (_NO_PREVIEW,)
    try:
        metadata, more = metadata_from_raw(held.data, preview=shot.jpeg, sidecar=_sidecar(picture.path))
        notices += more
    except Exception:  # the picture is good whatever its metadata is
        metadata = Metadata.build()
        notices += (_NO_METADATA,)
    pixels = unflipped(np.take(srgb16_table(gain), shot.linear), shot.flip)
    if not shot.grey:  # developed here, so nobody need guess what the numbers mean; a profile of RGB is not for greys
        metadata = metadata.with_icc(srgb_profile())
    return Decoded(pixels, shot.grey, upright=True, metadata=metadata, notices=notices)


class _Shot(NamedTuple):
    """What LibRaw makes of a file."""

    linear: npt.NDArray[np.uint16]  # as the sensor lies
    flip: int  # how to turn it upright, in LibRaw's words
    grey: bool
    preview: FloatArray | None  # what the camera embedded, linear and shrunk
    jpeg: bytes | None  # the same, as it is in the file


def _decoded(picture: Encoded[Buffer], held: "_Held") -> tuple[_Shot, tuple[str, ...]]:
    """The picture before its exposure is set, and what is doubtful about it."""
    import rawpy

    damaged = UnreadablePhotoError(f"{picture.name}: this RAW is damaged or cut short; copy it again from the camera.")
    try:
        # Bytes and not a name: LibRaw cannot take names that are not UTF-8.
        with rawpy.imread(cast(BinaryIO, held)) as raw:
            picture.check_size(int(raw.sizes.width), int(raw.sizes.height), "uint16")
            with captured_stderr():  # a damaged preview is no damage to the picture
                thumb = _thumb(raw)
                preview = None if thumb is None else _preview(thumb)
            with captured_stderr() as said:
                raw.unpack()
            ends_flat = _ends_flat(raw)
            flip = int(raw.sizes.flip)  # asked now: developing without a turn sets it to 0
            jpeg = thumb.data if thumb is not None and isinstance(thumb.data, bytes) else None
            shot = _Shot(_developed(raw), flip, int(raw.num_colors) == 1, preview, jpeg)
            balanced = shot.grey or min(raw.camera_whitebalance[:3]) > 0
    except (LptnRetouchError, MemoryError):
        raise
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError) as error:
        raise UnsupportedPhotoError(
            f"{picture.name}: this is a RAW that LibRaw does not develop; convert it to DNG or JPEG first."
        ) from error
    except Exception as error:
        raise damaged from error
    # LibRaw calls single values "corrupted" in files that are sound to the eye, so only the rest is fatal.
    fatal = next((line for line in said if "data corrupted at" not in line), None)
    if fatal:
        raise damaged from ValueError(fatal)
    doubts = ((_DOUBTFUL, bool(said)), (_ENDS_FLAT, ends_flat), (_NO_WHITE_BALANCE, not balanced))
    return shot, tuple(notice for notice, holds in doubts if holds)


class _Held:
    """The file's bytes, alive as long as LibRaw may read them.

    rawpy (0.28) lets go of what it read as soon as it is unpacked, while LibRaw still points there: asking a CR2 for
    its preview afterwards ended the process. Whoever holds this object holds the bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self) -> bytes:
        return self.data


def _developed(raw: Any) -> npt.NDArray[np.uint16]:
    """(H, W, 3) linear sRGB primaries, cropped to the camera's frame, still lying as the sensor does.

    Linear, and not with LibRaw's own sRGB gamma, so that the exposure is applied before anything is rounded twice.
    """
    import rawpy

    sizes = raw.sizes
    picture: npt.NDArray[np.uint16] = raw.postprocess(
        use_camera_wb=True,
        no_auto_bright=True,
        output_bps=16,
        output_color=rawpy.ColorSpace.sRGB,
        gamma=(1, 1),
        user_flip=0,
    )
    if picture.shape[2] == 1:
        picture = np.repeat(picture, 3, axis=2)
    top, left = sizes.crop_top_margin - sizes.top_margin, sizes.crop_left_margin - sizes.left_margin
    high, wide = sizes.crop_height, sizes.crop_width
    # LibRaw gives the sensor's whole visible area; the camera's own frame lies a few pixels inside. Where the picture
    # has been stretched or turned on the way (oblong pixels, Fuji's diagonal sensors) the numbers are another grid's.
    same_grid = picture.shape[:2] == (sizes.height, sizes.width)
    inside = top >= 0 and left >= 0 and top + high <= sizes.height and left + wide <= sizes.width
    if same_grid and inside and high * 10 >= sizes.height * 9 and wide * 10 >= sizes.width * 9:
        picture = picture[top : top + high, left : left + wide]
    return picture


def _ends_flat(raw: Any) -> bool:
    """Whether the last rows of the sensor's data are alike while those above are not, as where a file was cut.

    LibRaw fills what is missing with zeros or goes on with what it read last, and says nothing. Rows as bright as the
    sensor can tell are alike in sound pictures too.
    """
    try:
        rows = raw.raw_image_visible
        if rows is None or len(rows) < 4 * _FEWEST_ROWS:
            return False
        tail = max(_FEWEST_ROWS, len(rows) // 100)
        last, above = rows[-tail:], rows[: -tail - 2 : 16]
        # Rows and columns are compared with the next but one, which has the same colour behind the sensor's mosaic.
        repeated = (last == rows[-tail - 2 : -2]).all(axis=tuple(range(1, rows.ndim)))
        level = (last[:, 2:] == last[:, :-2]).all(axis=tuple(range(1, rows.ndim)))
        white = raw.white_level or np.iinfo(rows.dtype).max
        return bool((repeated | level).all() and last.max() < white and above.min() != above.max())
    except Exception:  # sensors that LibRaw shows no plain picture of
        return False


def _sidecar(path: Path) -> bytes | None:
    """The XMP file that an editor put beside a RAW: NAME.xmp (Adobe) or NAME.CR2.xmp (darktable)."""
    for beside in (path.with_suffix(".xmp"), path.with_suffix(".XMP"), path.with_name(f"{path.name}.xmp")):
        with suppress(OSError, UnreadablePhotoError), open_regular(beside) as file:
            packet = file.read(_LONGEST_SIDECAR + 1)
            return packet if len(packet) <= _LONGEST_SIDECAR else None
    return None


def _thumb(raw: Any) -> Any | None:
    """The embedded preview as LibRaw extracts it; None where there is none."""
    try:
        return raw.extract_thumb()
    except Exception:  # an absent, odd or damaged preview: the picture does without
        return None


def _preview(thumb: Any) -> FloatArray | None:
    """The embedded preview, linear and shrunk; None where it cannot be read."""
    import rawpy
    from PIL import Image

    from lptn_retouch.codecs.pillow import header, quiet

    try:
        if thumb.format == rawpy.ThumbFormat.JPEG:
            with quiet():
                image = header(io.BytesIO(thumb.data), "JpegImagePlugin.jpeg_factory")
                check_size("preview", *image.size)
                image.draft("RGB", (2 * _FIT_SIZE, 2 * _FIT_SIZE))
                pixels = np.asarray(image.convert("RGB").resize(_fit(image.size), Image.Resampling.NEAREST))
        else:
            pixels = np.asarray(thumb.data)
            pixels = shrink(pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=2), _FIT_SIZE)
    except Exception:  # an odd or damaged preview: the picture does without
        return None
    return linear_from_srgb(pixels) if pixels.dtype == np.uint8 and pixels.shape[2] == 3 else None


def _fit(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _FIT_SIZE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
