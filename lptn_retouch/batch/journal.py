"""What was done to each photograph, kept beside the results so that a batch can stop at any moment and go on.

A file of JSON lines, only ever appended to. A photograph has a line when its work begins, which claims the names of its
results before one of them is there, and one when it has ended. Each is flushed to the disk before anything follows. A
power cut can tear the last line; a line that is not whole counts as not written, and its photograph is done again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lptn_retouch.errors import UnwritablePhotoError, UsageError, reason, shown
from lptn_retouch.version import __version__

FOLDER = ".lptn-retouch"  # in the folder of results
NAME = "journal.jsonl"

Record = dict[str, Any]


class Past:
    """What a journal tells of earlier work.

    Args:
        results: the folder of results.
        source: the folder of photographs, absolute; what is known of files of another one is not of these.

    Example:
        >>> Past(Path("no such folder"), "/photos").of("a.jpg") is None
        True
    """

    def __init__(self, results: Path, source: str) -> None:
        self.torn = False  # whether the last line is not whole
        self.claims: dict[str, str] = {}  # results that were begun or written from this folder, and of which photograph
        self._ended: dict[str, Record] = {}
        self._done: dict[str, Record] = {}
        path = results / FOLDER / NAME
        here = False
        for record in self._records(path) if path.exists() else ():
            if isinstance(record.get("batch"), dict):
                here = record["batch"].get("source") == source
            elif isinstance(record.get("file"), str):
                with suppress(KeyError, TypeError):  # spoilt on the disk, and yet JSON: counts as not written
                    self.note(record, here=here)

    def of(self, file: str) -> Record | None:
        """What last became of a photograph, by its path from the folder; None if it never came to an end."""
        return self._ended.get(file)

    def done(self, file: str) -> Record | None:
        """How a photograph was done, if its results are still those.

        What was skipped for being a result itself counts as well. ``record["here"]`` says whether it was one of this
        very folder, or of another that had a file of that name.
        """
        return self._done.get(file)

    def note(self, record: Record, *, here: bool) -> None:
        """Take in one more record."""
        if here and record["outcome"] in ("begun", "done", "copied"):
            self.claims |= {output["file"]: record["file"] for output in record["outputs"]}
        for file in record.get("unwritten", ()):  # claimed when the work began, and not taken
            if self.claims.get(file) == record["file"]:
                del self.claims[file]
        if record["outcome"] == "begun":  # from here on its results may be others
            self._done.pop(record["file"], None)
        else:
            self._ended[record["file"]] = record
        if record["outcome"] in ("done", "copied") or record.get("is_result"):
            self._done[record["file"]] = {**record, "here": here}

    def _records(self, path: Path) -> Iterator[Record]:
        with path.open("rb") as lines:
            for line in lines:
                self.torn = not line.endswith(b"\n")
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    yield record


class Journal:
    """The journal of a folder of results, held by one batch at a time.

    Args:
        results: the folder; it must exist.
        source: the folder of photographs, absolute.

    Raises:
        UsageError: another batch is at work there.
        UnwritablePhotoError: nothing can be written there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Journal(Path(folder), "/photos") as journal:
        ...     journal.append({"file": "a.jpg", "outcome": "done", "outputs": []})
        ...     journal.past.of("a.jpg")["outcome"]
        'done'
    """

    def __init__(self, results: Path, source: str) -> None:
        folder = results / FOLDER
        self._results = results
        self._lock = threading.Lock()
        self._held = FileLock(folder / "lock", timeout=0, thread_local=False)  # a server may end it in another thread
        try:
            folder.mkdir(exist_ok=True)
            self._held.acquire()
            self.past = Past(results, source)
            self._file = (folder / NAME).open("ab")
            if self.past.torn:
                self._file.write(b"\n")
            self._write({"batch": {"source": source, "version": __version__, "at": now()}})
        except Timeout:
            raise UsageError(
                f"{shown(results)}: another batch is at work there; wait for its end, or choose another folder."
            ) from None
        except OSError as error:
            self._held.release()
            raise _unwritable(results, error) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another batch have the folder."""
        with suppress(OSError):  # what a full disk did not take is not taken now either
            self._file.close()
        self._held.release()

    def append(self, *records: Record) -> None:
        """Add lines, on the disk when this returns: flushing takes a disk as long for many as for one.

        Raises:
            UnwritablePhotoError: the disk is full or gone.
        """
        try:
            with self._lock:
                self._write(*records)
                for record in records:
                    self.past.note(record, here=True)
        except OSError as error:
            raise _unwritable(self._results, error) from error

    def _write(self, *records: Record) -> None:
        self._file.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
        self._file.flush()
        os.fsync(self._file.fileno())


def now() -> str:
    """The time, as the journal has it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _unwritable(results: Path, error: OSError) -> UnwritablePhotoError:
    return UnwritablePhotoError(
        f"{shown(results)}: the journal cannot be written there ({reason(error)}); free some space or choose another "
        "folder, and run the same again."
    )
