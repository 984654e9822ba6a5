"""Byte grammars: where the parts of a file stand, and nothing of what they mean. No number in a file is trusted."""

import mmap
import os
from typing import BinaryIO, TypeAlias


class FileView:
    """A file's bytes, read when they are asked for: for a glance at files of which most is not needed.

    Args:
        file: open, seekable; its position is moved.

    Example:
        >>> import io
        >>> view = FileView(io.BytesIO(b"II*\\0rest"))
        >>> len(view), view[4:99]
        (8, b'rest')
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        start, stop, _ = span.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(stop - start, 0))


Buffer: TypeAlias = bytes | bytearray | mmap.mmap
"""A whole file, in memory or mapped."""
