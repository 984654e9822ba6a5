"""What results are called. Decided for all of them before any work, so that none can meet another or an input."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable

ENDINGS = {"jpg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp", "avif": ".avif", "jxl": ".jxl"}
KEPT = {*ENDINGS.values(), ".jpeg", ".tiff"}  # endings that a result keeps from its source
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
        stem, ending = os.path.splitext(otherwise)  # noqa: PTH122
        name, number = wanted, 1
        while folded(name) in self._taken:
            name = otherwise if number == 1 else f"{stem}-{number}{ending}"
            number += 1
        self._taken.add(folded(name))
        return name
