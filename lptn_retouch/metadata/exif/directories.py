"""An EXIF structure with the directories that Exif names, found once for all that ask for them."""

from collections.abc import Iterator
from typing import NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.exif.tags import COLOR_SPACE, INTEROP_INDEX
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.tiff import EXIF_POINTER, GPS_POINTER, INTEROP_POINTER, Ifd, Tiff

_SRGB = 1


class Directories(NamedTuple):
    """A TIFF structure, IFD0, and the directories below that; None for those that are missing or damaged."""

    tiff: Tiff
    main: Ifd
    exif: Ifd | None
    gps: Ifd | None
    interop: Ifd | None

    @property
    def named(self) -> tuple[Ifd | None, ...]:
        """IFD0, Exif, GPS and Interoperability."""
        return self.main, self.exif, self.gps, self.interop

    @property
    def thumbnail(self) -> Ifd | None:
        """IFD1."""
        return next((ifd for ifd in self.tiff.chain() if ifd.at != self.main.at), None)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Where every directory stands, and every value; what is cut off reaches to the end of the structure."""
        for ifd in {ifd.at: ifd for ifd in (*self.tiff.chain(), *self.named) if ifd is not None}.values():
            yield ifd.at, ifd.next_at + 4 if ifd.next_at is not None else len(self.tiff.data)
            yield from ((entry.value_at, entry.value_at + entry.size) for entry in ifd.entries)


def directories(tiff: Tiff) -> Directories | None:
    """The directories of a structure; None where it has not even the first.

    >>> directories(Tiff(b"II*\\0" + bytes(4))) is None
    True

    Source: Exif 3.0 (CIPA DC-008) 4.6.3.
    """
    main = tiff.ifd(tiff.first)
    if main is None:
        return None
    exif = tiff.pointed(main, EXIF_POINTER)
    return Directories(tiff, main, exif, tiff.pointed(main, GPS_POINTER), tiff.pointed(exif, INTEROP_POINTER))


def read_exif(exif: Buffer | None) -> Directories | None:
    """The directories of an EXIF block; None where it is missing or not sound: no header, or no first directory.

    Args:
        exif: TIFF structure from its II or MM on.

    >>> read_exif(b"II*") is None
    True
    """
    try:
        return directories(Tiff(exif or b""))
    except MetadataError:
        return None


def says_adobe_rgb(exif: bytes | None) -> bool:
    """Whether EXIF bears DCF's mark for Adobe RGB, and does not say sRGB beside it.

    >>> says_adobe_rgb(None)
    False

    Source: DCF 2.0 (CIPA DC-009), R03.
    """
    found = read_exif(exif)
    index = found.interop.get(INTEROP_INDEX) if found and found.interop else None
    if found is None or index is None or found.tiff.raw(index)[:3] != b"R03":
        return False
    return found.exif is None or found.tiff.number(found.exif.get(COLOR_SPACE)) != _SRGB
