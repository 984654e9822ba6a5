"""What a photograph's metadata says of how it was taken: what rules and ratings are decided by."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.xmp.properties import xmp_properties
from lptn_retouch.verify.compare import read_tags
from lptn_retouch.verify.tags import Tag

_XMP = "http://ns.adobe.com/xap/1.0/"
_MOST_SIDECAR = 16 << 20  # bytes


@dataclass(frozen=True)
class Shot:
    """How a photograph was taken; None or "" where it does not say.

    Args:
        camera: maker and model.
        lens: model.
        iso: sensitivity.
        aperture: f-number.
        exposure: seconds.
        focal_length: mm.
        taken: local time.
        rating: stars, 0 to 5, or -1 for rejected; a sidecar's counts before the file's own.
    """

    camera: str = ""
    lens: str = ""
    iso: float | None = None
    aperture: float | None = None
    exposure: float | None = None
    focal_length: float | None = None
    taken: datetime | None = None
    rating: int | None = None


def read_shot(file: Path, sidecars: list[Path]) -> Shot:
    """Read how a photograph was taken; of a file that cannot be read, nothing.

    Example:
        >>> read_shot(Path("no such file.jpg"), [])
        Shot(camera='', lens='', iso=None, aperture=None, exposure=None, focal_length=None, taken=None, rating=None)

    References:
        Exif 3.0 (CIPA DC-008) 4.6; XMP part 1, 8.4 (xmp:Rating).
    """
    tags: list[Tag] = []
    with suppress(OSError, MetadataError, ValueError):
        tags = read_tags(file)[1]
    exif = {tag.name: tag.value for tag in tags if tag.group in ("IFD0", "ExifIFD") and tag.value}
    stars = [tag.value for tag in tags if tag.space == _XMP and tag.name == "Rating"]
    make, model = (exif.get(tag, "").strip("\0 ") for tag in ("Make", "Model"))
    return Shot(
        camera=model if model.lower().startswith(make.lower()) else f"{make} {model}",
        lens=exif.get("LensModel", "").strip("\0 "),
        iso=_number(exif.get("ISOSpeedRatings", exif.get("PhotographicSensitivity"))),
        aperture=_number(exif.get("FNumber")),
        exposure=_number(exif.get("ExposureTime")),
        focal_length=_number(exif.get("FocalLength")),
        taken=_time(exif.get("DateTimeOriginal", exif.get("DateTimeDigitized", exif.get("DateTime")))),
        rating=_rating([*(stars_of for path in sidecars for stars_of in _sidecar_stars(path)), *stars]),
    )


def _sidecar_stars(path: Path) -> list[str]:
    with suppress(OSError, MetadataError):
        if path.stat().st_size <= _MOST_SIDECAR:
            return [p.value for p in xmp_properties(path.read_bytes()) if (p.space, p.name) == (_XMP, "Rating")]
    return []


def _number(text: str | None) -> float | None:
    with suppress(ValueError, ZeroDivisionError, IndexError):
        return float(Fraction((text or "").split()[0]))
    return None


def _time(text: str | None) -> datetime | None:
    with suppress(ValueError):
        return datetime.strptime((text or "").strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
    return None


def _rating(stars: list[str]) -> int | None:
    for text in stars:
        with suppress(ValueError, OverflowError):
            return int(float(text))
    return None
