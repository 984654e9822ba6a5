"""What a container is to this library: one class each, in a room of its own. `registry` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Generic, NamedTuple, TypeVar

from lptn_retouch.errors import shown
from lptn_retouch.metadata import Block, Kind, Metadata
from lptn_retouch.metadata.exif.directories import says_adobe_rgb
from lptn_retouch.structures import Buffer

if TYPE_CHECKING:
    from lptn_retouch.codecs.decoded import Decoded
    from lptn_retouch.codecs.limits import Fits
    from lptn_retouch.picture.samples import Pixels

Structure = TypeVar("Structure")
Parts = list[bytes | memoryview]
"""A file in parts, yet to be put together. The first holds all that stands before the coded picture."""


@dataclass(frozen=True)
class Holds:
    """What files of one container can hold.

    Args:
        depths: bits a channel, the least first; 32 is floating point.
        longest: most pixels a side that decoders take, which is less than some headers have room for; None where it is
            more than is opened.
        largest: most pixels in all, likewise.
        alpha: whether it holds transparency.
        grey: whether it holds pictures of one channel, and so profiles for them.
        profiles: whether it holds an ICC profile; without, results are in sRGB.
        lossless: whether no quality can make a file smaller.
    """

    depths: tuple[int, ...]
    longest: int | None = None
    largest: int | None = None
    alpha: bool = True
    grey: bool = True
    profiles: bool = True
    lossless: bool = False


class Coding(NamedTuple):
    """How a picture is to be encoded.

    Args:
        quality: 1 to 100, for codecs that lose something.
        subsampling: of a JPEG's chroma: "4:4:4", "4:2:2" or "4:2:0".
        byte_order: of a TIFF: "<" or ">".
    """

    quality: int = 92
    subsampling: str = "4:4:4"
    byte_order: str = "<"


@dataclass(frozen=True)
class Encoded(Generic[Structure]):
    """A picture's file, open and yet to be decoded.

    Args:
        file: the open file.
        data: all of it, in memory or mapped.
        path: its absolute path.
        structure: what `Format.parse` made of it.
        metadata: what it carries.
        fits: what refuses a picture, by raising, that its user has no room for.
    """

    file: BinaryIO
    data: Buffer
    path: Path
    structure: Structure
    metadata: Metadata
    fits: Fits | None = None

    @property
    def name(self) -> str:
        """The file as messages name it."""
        return shown(self.path)

    def check_size(self, width: int, height: int, samples: str, most: int | None = None) -> None:
        """Refuse a picture that is too large, before a pixel of it is decoded.

        Args:
            width, height: as its header says, in pixels.
            samples: the type that its pixels will have: "uint8", "uint16" or "float32".
            most: more pixels than that its bytes cannot hold; None where there is no such bound.

        Raises:
            UnreadablePhotoError: the header promises no pixels, or more than the bytes can hold.
            UnsupportedPhotoError: there are too many.
        """
        from lptn_retouch.codecs.limits import check_plausible, check_size

        check_size(self.name, width, height)
        if most is not None:
            check_plausible(self.name, width * height, most, len(self.data))
        if self.fits:
            self.fits(width, height, samples)


class Format(ABC, Generic[Structure]):
    """One container: what its files are called and can hold, and the way in and out of them.

    A file is taken apart once, by `parse`; what that gives goes along to all that ask for a part of it. Whatever is
    needed for decoding and encoding is imported there: a room that is not used costs nothing.
    """

    name: ClassVar[str]
    """As `Source.format` has it."""
    spoken: ClassVar[str]
    """The same in a sentence, with its article."""
    word: ClassVar[str] = ""
    """By which a user asks for it, where it is written."""
    endings: ClassVar[tuple[str, ...]]
    """Of files' names, with the dot, the usual one first."""
    holds: ClassVar[Holds | None] = None
    """What is written; None for a container that is only read."""
    carries: ClassVar[frozenset[Kind]] = frozenset()
    """Metadata that it has a place for, besides EXIF, XMP and ICC."""
    points_first: ClassVar[bool] = False
    """Whether code points go before an ICC profile where a file has both."""
    develops: ClassVar[bool] = False
    """Whether its metadata is only known when the picture is: `Decoded.metadata` has it."""
    mapped: ClassVar[bool] = False
    """Whether files are not read whole: they may be gigabytes, of which the metadata is little."""

    @abstractmethod
    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes, 64 or fewer, is one of this container."""

    @abstractmethod
    def parse(self, data: Buffer) -> Structure:
        """Take a file apart. What is damaged is left out, or found when it is asked for."""

    def read_blocks(self, structure: Structure) -> tuple[Block, ...]:
        """What a file carries besides its pixels; of a damaged one, what is sound."""
        return ()

    def colour_points(self, structure: Structure) -> tuple[int, int] | None:
        """Primaries and transfer by their numbers in ITU-T H.273; None where the file does not say."""
        return None

    def colour_profile(self, structure: Structure, metadata: Metadata) -> bytes | None:
        """A profile of what a file says of its colours in neither a profile nor code points; None for sRGB."""
        from lptn_retouch.color import adobe_rgb_profile

        return adobe_rgb_profile() if says_adobe_rgb(metadata.exif) else None

    @abstractmethod
    def decode(self, picture: Encoded[Structure]) -> Decoded:
        """Decode a picture at its own depth.

        Raises:
            UnreadablePhotoError: damaged or cut short.
            UnsupportedPhotoError: of a depth or colour model that is not read, or too large.
            DamageError: what is wrong with it, in words of the file.
            Exception: a decoder's own, for a damaged file.
        """

    def encode(self, samples: Pixels, how: Coding) -> Parts:
        """Encode a picture without metadata.

        Args:
            samples: (H, W, 3) or (H, W, 4), or (H, W) and (H, W, 2) where the container holds grey; of a depth that it
                holds.
            how: quality and the like.
        """
        raise NotImplementedError(f"{self.name} is not written")

    def embed(self, head: bytes, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
        """Put metadata into a freshly encoded picture.

        Args:
            head: the first of the parts that `encode` gave, in the byte order of the metadata.
            metadata: usually `Metadata.for_result(...)`.

        Returns:
            The part with metadata in it, and a sentence for each thing that the container has no place for.
        """
        raise NotImplementedError(f"{self.name} is not written")


def starts_with(head: bytes, magics: Sequence[tuple[int, bytes]]) -> bool:
    """Whether one of these stands at its offset."""
    return any(head[at : at + len(magic)] == magic for at, magic in magics)
