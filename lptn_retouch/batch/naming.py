"""What results are called. Decided for all of them before any work, so that none can meet another or an input."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable

from lptn_retouch.codecs.registry import WRITTEN

ENDINGS = {format.word: format.endings[0] for format in WRITTEN.values()}
"""Of the formats that a user may ask for, by their words."""

KEPT = frozenset(WRITTEN)
"""Endings that a result keeps from its source."""

LONGEST = 255  # bytes of a file's name, on the disks of all systems we know


def ending_for(name: str, format: str | None) -> str:
    """The ending of the result of a file: of the format asked for, or its own, or ``.jpg``.

    Example:
        >>> ending_for("a.JPG", None), ending_for("a.cr2", None), ending_for("a.jpg", "tiff")
        ('.JPG', '.jpg', '.tif')
    """
    own = os.path.splitext(name)[1]  # noqa: PTH122
    if format:
        return ENDINGS[format]
    return own if own.lower() in KEPT else ".jpg"


def format_word(text: str) -> str:
    """The format that a user means: "jpeg" and "tif" are words for two of them as well.

    Example:
        >>> format_word("JPEG"), format_word("tif"), format_word("gif")
        ('jpg', 'tiff', 'gif')
    """
    format = WRITTEN.get(f".{text.lower()}")
    return format.word if format is not None else text.lower()


def disagree(ending: str, format: str | None) -> bool:
    """Whether files of this ending are of another format than the one asked for.

    Example:
        >>> disagree(".png", "jpg"), disagree(".JPEG", "jpg"), disagree(".png", None)
        (True, False, False)
    """
    return format is not None and format_word(ending[1:]) != format


def is_too_long(name: str) -> bool:
    """Whether no disk would take a file of this name.

    Example:
        >>> is_too_long("é" * 127), is_too_long("é" * 128)
        (False, True)
    """
    return len(os.fsencode(name)) > LONGEST


def folded(path: str) -> str:
    """A path as a disk may compare it, which may not tell Same.jpg from same.JPG, nor one way to write é from another.

    Example:
        >>> folded("Same.jpg") == folded("same.JPG")
        True
    """
    return unicodedata.normalize("NFC", path).casefold()


class Names:
    """The names that are given already; each is given once.

    Args:
        taken: paths that are not to be given.

    Example:
        >>> names = Names()
        >>> names.give("a/IMG_1.JPG", "a/IMG_1.JPG"), names.give("a/IMG_1.jpg", "a/IMG_1.CR2.jpg")
        ('a/IMG_1.JPG', 'a/IMG_1.CR2.jpg')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {folded(path) for path in taken}

    def give(self, wanted: str, otherwise: str) -> str:
        """The name wanted; if it is taken the other one; if that is too, that one with a number."""
        name, number = wanted, 1
        while folded(name) in self._taken:
            name = otherwise if number == 1 else _numbered(otherwise, number)
            number += 1
        self._taken.add(folded(name))
        return name


def _numbered(name: str, number: int) -> str:
    stem, ending = os.path.splitext(name)  # noqa: PTH122
    return f"{stem}-{number}{ending}"


def is_of(name: str, wanted: str) -> bool:
    """Whether a name is the one wanted, or that one with a number.

    Example:
        >>> is_of("a.jpg", "a.jpg"), is_of("a-2.jpg", "a.jpg"), is_of("a-b.jpg", "a.jpg")
        (True, True, False)
    """
    stem, ending = os.path.splitext(wanted)  # noqa: PTH122
    return name == wanted or bool(re.fullmatch(f"{re.escape(stem)}-[0-9]+{re.escape(ending)}", name))
