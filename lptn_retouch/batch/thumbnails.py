"""Small pictures of before and after, kept beside the journal for reports of this run and of later ones."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path


class Thumbnails:
    """A store of them. A report can do without, so a disk that says no costs the pictures and nothing else.

    Args:
        folder: of the journal; it must exist.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = Thumbnails(Path(folder))
        ...     store.put("a.jpg", b"before", b"after")
        ...     store.has("a.jpg"), store.of("a.jpg"), store.of("b.jpg")
        (True, (b'before', b'after'), (None, None))
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "thumbnails.sqlite"

    def put(self, file: str, before: bytes | None, after: bytes | None) -> None:
        """Keep a photograph's pictures, in place of older ones; without both, nothing."""
        if before is None or after is None:
            return
        self._ask("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)", (os.fsencode(file), before, after))

    def has(self, file: str) -> bool:
        """Whether a photograph has pictures here."""
        return bool(self._ask("SELECT 1 FROM thumbnails WHERE file = ?", (os.fsencode(file),)))

    def of(self, file: str) -> tuple[bytes | None, bytes | None]:
        """A photograph's pictures, before and after."""
        rows = self._ask("SELECT before, after FROM thumbnails WHERE file = ?", (os.fsencode(file),))
        return rows[0] if rows else (None, None)

    def _ask(self, statement: str, values: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
        try:
            connection = sqlite3.connect(self._path, timeout=5)
            try:
                with connection:
                    connection.execute("PRAGMA synchronous = OFF")  # lost with the power, they are made again
                    connection.execute(
                        "CREATE TABLE IF NOT EXISTS thumbnails (file BLOB PRIMARY KEY, before BLOB, after BLOB)"
                    )
                    return connection.execute(statement, values).fetchall()
            finally:
                connection.close()
        except sqlite3.OperationalError:  # the disk is full, or another program looks at it
            return []
        except sqlite3.DatabaseError:  # damaged by a power cut: begun anew
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return []
