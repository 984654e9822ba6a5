"""Every error that lptn_retouch raises on purpose. Each message is one sentence that ends with what to do.

LptnRetouchError
├── UsageError                 the call itself is wrong: an argument, a flag, a combination
│   └── TooLargeError          the picture needs more memory than there is, or than was allowed
├── PhotoError                 a picture could not be opened or saved
│   ├── UnreadablePhotoError   damaged, empty, or not a picture at all
│   │   └── PhotoNotFoundError there is no such file; a FileNotFoundError as well
│   ├── UnsupportedPhotoError  a sound file of a kind this version does not handle
│   └── UnwritablePhotoError   the result could not be written where it was asked for
│       └── InTheWayError      a file is there already, and may not be replaced
├── PresetError                a preset could not be used
│   ├── PresetNotFoundError    no preset has this name
│   └── InvalidPresetError     the file is not a sound set of weights
├── MetadataError              a metadata block could not be read or patched
├── InstallError               the plug-in of an editor could not be installed, or does not work
└── TrainingError              a training run could not start, resume or go on
"""

import errno
import os


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can stand in one line of any terminal or log: control and undecodable characters are escaped.

    >>> shown("two\\nlines.jpg")
    'two\\\\nlines.jpg'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in os.fsdecode(path))


def reason(error: BaseException) -> str:
    """A foreign error in a few words that fit into a sentence of ours.

    >>> reason(FileNotFoundError(2, "No such file or directory", "/photos/a.jpg"))
    'No such file or directory'
    """
    said = getattr(error, "strerror", None) or str(error)
    words = " ".join(shown(said).split()).split(". ")[0][:160].rstrip(".!;, ")
    return words or type(error).__name__


def causes(error: BaseException) -> tuple[str, ...]:
    """What led to an error, in the words of the libraries that raised it, the nearest first.

    >>> try:
    ...     int("x")
    ... except ValueError:
    ...     try:
    ...         raise UsageError("this is no number.") from None
    ...     except UsageError as told:
    ...         causes(told)
    ("ValueError: invalid literal for int() with base 10: 'x'",)
    """
    found: list[str] = []
    led: BaseException | None = error
    while len(found) < 8 and led is not None and (led := led.__cause__ or led.__context__) is not None:
        found.append(f"{type(led).__name__}: {reason(led)}")
    return tuple(dict.fromkeys(found))


class LptnRetouchError(Exception):
    """Root of every error raised on purpose; catching it catches them all."""


class UsageError(LptnRetouchError, ValueError):
    """The call itself is wrong: an argument, a flag or a combination of them."""


class TooLargeError(UsageError):
    """The picture needs more memory than there is, or than was allowed."""


class PhotoError(LptnRetouchError):
    """A picture could not be opened or saved."""


class UnreadablePhotoError(PhotoError):
    """The file is damaged, empty or not a picture."""


class PhotoNotFoundError(UnreadablePhotoError, FileNotFoundError):
    """There is no such file."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.errno = errno.ENOENT


class UnsupportedPhotoError(PhotoError):
    """The file is sound, but of a kind that this version does not handle."""


class UnwritablePhotoError(PhotoError):
    """The result could not be written where it was asked for."""


class InTheWayError(UnwritablePhotoError):
    """A file is there already that was not to be replaced, or never is.

    Args:
        message: one sentence.
        target: the file.
    """

    def __init__(self, message: str, target: str | os.PathLike[str] = "") -> None:
        super().__init__(message)
        self.target = target


class PresetError(LptnRetouchError):
    """A preset could not be used."""


class PresetNotFoundError(PresetError):
    """No preset has this name."""


class InvalidPresetError(PresetError):
    """The file is not a sound set of weights."""


class MetadataError(LptnRetouchError):
    """A metadata block could not be read or patched."""


class InstallError(LptnRetouchError):
    """The plug-in of an editor could not be installed, or does not work."""


class TrainingError(LptnRetouchError):
    """A training run could not start, resume or go on."""
