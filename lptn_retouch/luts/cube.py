"""``.cube`` files in and out: text that every editor and every grading desk reads.

Source: Adobe, Cube LUT Specification 1.0, 2013. Beside its keywords ``LUT_1D_INPUT_RANGE`` and ``LUT_3D_INPUT_RANGE``
are understood, with which DaVinci Resolve says a domain. A file that has both a table of curves and a cube (Resolve's
shaper) is refused, as is any other keyword: what it says of the colours would be lost.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lptn_retouch.errors import InvalidPresetError, UnreadablePhotoError, shown
from lptn_retouch.files import open_regular, write_atomically
from lptn_retouch.model.lut import UNIT, Lut, check_size

MAX_FILE = 128 << 20  # bytes; a cube of 144 samples a side with nine digits has 100 MB
_LINES = 1000  # of a header, comments included
_LEAST_LINE = len(b"0 0 0\n")
_SIZES = {"LUT_1D_SIZE": True, "LUT_3D_SIZE": False}  # whether the table is one of curves
_RANGES = ("LUT_1D_INPUT_RANGE", "LUT_3D_INPUT_RANGE")


def read_cube(path: Path) -> Lut:
    """Read a ``.cube`` file, of curves or of a cube.

    Raises:
        InvalidPresetError: it is missing, no such file, or says something that is not in the specification.

    Example:
        >>> import tempfile
        >>> from lptn_retouch.model.lut import identity
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_cube(file := Path(folder, "none.cube"), identity(5), ["Leaves all as it is."])
        ...     read_cube(file).size
        5
    """
    name = shown(path.name)
    try:
        with open_regular(path) as file:
            data = file.read(MAX_FILE + 1)
    except UnreadablePhotoError as error:
        raise InvalidPresetError(str(error)) from None
    if len(data) > MAX_FILE:
        raise InvalidPresetError(f"{name}: larger than {MAX_FILE >> 20} MiB, so not a .cube file of a look.")
    try:
        return _parsed(data)
    except _WrongError as wrong:
        raise InvalidPresetError(f"{name}: {wrong}; write it anew in the program that it is from.") from None
    except InvalidPresetError as error:
        raise InvalidPresetError(f"{name}: {error}") from None


def write_cube(path: Path, lut: Lut, comments: Sequence[str] = ()) -> None:
    """Write a table as a ``.cube`` file, whole or not at all; six digits behind the point.

    Args:
        path: where.
        lut: the table.
        comments: lines for whoever opens it.

    Raises:
        UnwritablePhotoError: the disk is full, the folder forbids it...
    """
    lines = [f"# {_plain(comment)}" for comment in comments]
    lines.append(f'TITLE "{_plain(lut.title)}"')
    lines.append(f"LUT_{lut.table.ndim - 1}D_SIZE {lut.size}")
    for keyword, colour in zip(("DOMAIN_MIN", "DOMAIN_MAX"), lut.domain.tolist(), strict=True):
        lines.append(" ".join([keyword, *(f"{value:.6f}" for value in colour)]))
    text = io.BytesIO()
    np.savetxt(text, lut.table.reshape(-1, 3), fmt="%.6f")
    data = "\n".join(lines).encode("ascii") + b"\n" + text.getvalue()
    write_atomically(path, lambda stream: stream.write(data))


class _WrongError(ValueError):
    """What is wrong with a file, in words that follow its name."""


def _parsed(data: bytes) -> Lut:
    if b"\0" in data[:4096]:
        raise _WrongError("this is not a text file")
    stream = io.BytesIO(data.removeprefix(b"\xef\xbb\xbf"))
    said = _header(stream)
    sizes = [keyword for keyword in _SIZES if keyword in said]
    if len(sizes) != 1:
        what = "both curves and a cube" if sizes else "no LUT_3D_SIZE or LUT_1D_SIZE"
        raise _WrongError(f"it has {what}, where one table is read")
    curves = _SIZES[sizes[0]]
    size = _whole(said[sizes[0]])
    check_size(size, curves=curves)
    count = size if curves else size**3
    if count * _LEAST_LINE > len(data) + 1:  # a header is but a claim
        raise _WrongError(f"it claims {count:,} colours, more than {len(data):,} bytes can hold")
    table = _table(stream, count)
    shape = (size, 3) if curves else (size, size, size, 3)
    return Lut(table.reshape(shape), _domain(said), said.get("TITLE", "").strip('"'))


def _header(stream: io.BytesIO) -> dict[str, str]:
    """The keywords and what follows them; the stream then stands at the table's first line."""
    said: dict[str, str] = {}
    for _ in range(_LINES):
        start = stream.tell()
        line = stream.readline(1000).decode("utf-8", errors="replace").strip()
        if not line and stream.tell() == start:
            raise _WrongError("there is no table in it")
        if not line or line.startswith("#"):
            continue
        if line[0] in "+-.0123456789":
            stream.seek(start)
            return said
        keyword, rest = (*line.split(None, 1), "")[:2]
        if keyword not in ("TITLE", "DOMAIN_MIN", "DOMAIN_MAX", *_SIZES, *_RANGES):
            raise _WrongError(f"{shown(keyword)[:40]!r} is no word of the .cube format")
        if keyword in said:
            raise _WrongError(f"{keyword} stands in it twice")
        said[keyword] = rest
    raise _WrongError(f"there is no table within its first {_LINES} lines")


def _table(stream: io.BytesIO, count: int) -> np.ndarray:
    try:
        table = np.loadtxt(stream, np.float32, ndmin=2, encoding="latin1")
    except (ValueError, OverflowError):
        raise _WrongError("its table is not made of lines of three numbers") from None
    if table.shape[1] != 3:
        raise _WrongError(f"its table has lines of {table.shape[1]} numbers, not of three")
    if len(table) != count:
        raise _WrongError(f"it holds {len(table):,} colours where its size says {count:,}")
    if not np.isfinite(table).all():
        raise _WrongError("its table holds NaN, infinity or a number too large")
    return table


def _domain(said: dict[str, str]) -> np.ndarray:
    domain = UNIT.copy()
    for keyword in _RANGES:
        if keyword in said:
            domain[:] = np.array(_numbers(keyword, said[keyword], 2))[:, None]
    for row, keyword in enumerate(("DOMAIN_MIN", "DOMAIN_MAX")):
        if keyword in said:
            domain[row] = _numbers(keyword, said[keyword], 3)
    return domain


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _WrongError(f"its size is {shown(text)[:40]!r}, which is no number of samples")
    return int(text)


def _numbers(keyword: str, text: str, count: int) -> list[float]:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not np.isfinite(np.array(numbers, np.float32)).all():
        raise _WrongError(f"{keyword} is not followed by {count} numbers")
    return numbers


def _plain(text: str) -> str:
    """Text that can stand on a line of the file: ASCII, without quotation marks, and short enough for the format."""
    return shown(text).encode("ascii", "replace").decode("ascii").replace('"', "'")[:200]
