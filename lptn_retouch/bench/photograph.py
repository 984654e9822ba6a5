"""Photographs to measure with: a real scene at its own resolution, a sensor's grain, a camera's metadata.

Grain decides what a codec costs. A scene that was enlarged, or one without grain, is encoded in half the time.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import piexif
from PIL import Image

from lptn_retouch.opening import open_photo
from lptn_retouch.picture.samples import eight_bits

Rgb = npt.NDArray[np.uint8]

QUALITY = 92
SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "lake-sherburne.jpg"  # in a checkout
MAKER_NOTE = 30_000  # bytes
_STRIP = 256  # rows worked on at once
_TILE = 1021  # px; a prime, so that grain and scene do not repeat together
_UNIT = 28  # of the tile's numbers, one standard deviation
_LENS = 0.12  # cycles a pixel at which the synthetic scene's lens has lost two thirds
# In 8-bit steps: read noise, and shot noise at full scale, so that 24 megapixels are 8 to 12 MB; chroma to luma.
_FLOOR, _SHOT, _CHROMA = 0.8, 7.0, 0.3


def read_scene(file: str | os.PathLike[str] | None = None) -> Rgb:
    """The picture that photographs are made of, (H, W, 3).

    Args:
        file: a photo; None for the sample of a checkout, or without one for a synthetic scene.

    Raises:
        PhotoError: the file cannot be opened.
    """
    if file is None and not SAMPLE.exists():
        return synthetic_scene()
    return np.ascontiguousarray(eight_bits(open_photo(SAMPLE if file is None else file).pixels)[..., :3])


def synthetic_scene(width: int = 1920, height: int = 1080, seed: int = 0) -> Rgb:
    """A scene whose amplitudes fall with frequency as they do in photographs, by 1 / f, (H, W, 3).

    References:
        Field, "Relations between the statistics of natural images and the response properties of cortical cells",
        JOSA A 4 (1987).

    Example:
        >>> synthetic_scene(60, 40).shape
        (40, 60, 3)
    """
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    fall = np.exp(-((frequency / _LENS) ** 2)) / frequency

    def plane() -> npt.NDArray[np.float64]:
        plane = np.fft.irfft2(np.fft.rfft2(random.normal(size=(height, width))) * fall, (height, width))
        return np.asarray(plane / plane.std())

    light = plane()
    scene = np.stack([110 + 52 * (light + 0.25 * plane()) for _ in range(3)], axis=-1)
    return np.clip(scene, 0, 255).astype(np.uint8)


def photograph(scene: Rgb, width: int, height: int, seed: int = 0) -> Rgb:
    """A scene tiled to a size, with grain.

    Every second tile is mirrored, so there are no seams. The grain is mostly of luma, and its standard deviation grows
    with the square root of the tone, as shot noise does. The same arguments give the same picture.

    Args:
        scene: (h, w, 3).
        width, height, seed: of the result.

    Returns:
        (height, width, 3).

    Example:
        >>> photograph(np.full((4, 6, 3), 90, np.uint8), 10, 7).shape
        (7, 10, 3)
    """
    rows, columns = _mirrored(height, scene.shape[0]), _mirrored(width, scene.shape[1])
    grain = np.take(_grain(seed), np.arange(width) % _TILE, axis=1)
    # times 256, as a shift is quicker than a division; 127 times the largest fits into int16
    strength = np.rint(grain_deviation(np.arange(256)) * 256 / _UNIT).astype(np.int16)
    result = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        strip = scene[rows[top : top + _STRIP]][:, columns]
        noise = grain[np.arange(top, top + len(strip)) % _TILE] * strength[strip[..., 1:2]]
        noise += 128
        noise >>= 8
        noise += strip
        result[top : top + len(strip)] = np.clip(noise, 0, 255, out=noise)
    return result


def grain_deviation(tone: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Standard deviation of the grain at a tone, both in 8-bit steps.

    Example:
        >>> grain_deviation([0, 64, 255]).round(1).tolist()
        [0.8, 3.6, 7.0]
    """
    return np.sqrt(_FLOOR**2 + _SHOT**2 * np.asarray(tone) / 255)


def write_photograph(path: Path, scene: Rgb, width: int, height: int, seed: int = 0) -> None:
    """Write the JPEG of a photograph as a camera would: quality 92, 4:2:0, with EXIF and XMP.

    Args:
        scene, width, height, seed: as for :func:`photograph`.
    """
    picture = Image.fromarray(photograph(scene, width, height, seed))
    exif = camera_exif(picture.resize((160, 120), reducing_gap=2.0), width, height)
    picture.save(path, "JPEG", quality=QUALITY, subsampling="4:2:0", exif=exif, xmp=_XMP)


def camera_exif(thumbnail: Image.Image, width: int, height: int) -> bytes:
    """A camera's EXIF: exposure, GPS, a thumbnail, and a maker's note of :data:`MAKER_NOTE` bytes.

    Args:
        thumbnail: RGB, 160x120 by the standard.
        width, height: of the photograph.

    References:
        CIPA DC-008 (Exif 2.32).
    """
    small = io.BytesIO()
    thumbnail.save(small, "JPEG", quality=80)
    exif, gps = piexif.ExifIFD, piexif.GPSIFD
    blocks = {
        "0th": {
            piexif.ImageIFD.Make: "Laplace",
            piexif.ImageIFD.Model: "Pyramid 24",
            piexif.ImageIFD.Orientation: 1,
            piexif.ImageIFD.XResolution: (300, 1),
            piexif.ImageIFD.YResolution: (300, 1),
            piexif.ImageIFD.ResolutionUnit: 2,
            piexif.ImageIFD.DateTime: "2021:06:19 12:00:00",
        },
        "Exif": {
            exif.ExposureTime: (1, 250),
            exif.FNumber: (56, 10),
            exif.ISOSpeedRatings: 400,
            exif.FocalLength: (35, 1),
            exif.DateTimeOriginal: "2021:06:19 12:00:00",
            exif.PixelXDimension: width,
            exif.PixelYDimension: height,
            exif.MakerNote: np.random.default_rng(0).bytes(MAKER_NOTE),
        },
        "GPS": {
            gps.GPSLatitudeRef: "N",
            gps.GPSLatitude: ((48, 1), (48, 1), (1234, 100)),
            gps.GPSLongitudeRef: "W",
            gps.GPSLongitude: ((113, 1), (39, 1), (2345, 100)),
        },
        "1st": {piexif.ImageIFD.Compression: 6},
        "thumbnail": small.getvalue(),
    }
    return bytes(piexif.dump(blocks))


_XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def _grain(seed: int) -> npt.NDArray[np.int16]:
    """A tile of unit noise, times :data:`_UNIT`, in the range of int8; (T, T, 3)."""
    random = np.random.default_rng(seed)
    luma = random.standard_normal((_TILE, _TILE, 1), np.float32)
    chroma = random.standard_normal((_TILE, _TILE, 3), np.float32)
    noise = (luma + _CHROMA * chroma) * np.float32(_UNIT / np.hypot(1, _CHROMA))
    return np.clip(np.rint(noise), -127, 127).astype(np.int16)


def _mirrored(size: int, period: int) -> npt.NDArray[np.intp]:
    """Indices that go forth and back.

    >>> _mirrored(8, 3).tolist()
    [0, 1, 2, 2, 1, 0, 0, 1]
    """
    index = np.arange(size) % (2 * period)
    return np.minimum(index, 2 * period - 1 - index)
