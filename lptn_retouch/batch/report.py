"""What a batch did, as one page: every photograph before and after, in a file that needs nothing but itself.

``report.html``, ``report.css`` and ``report.js`` beside this module are joined here. The page has three parts, in the
order in which a browser reads them: an index (what is known of every photograph, in words), the script, the pictures.
So the first cards stand before the last picture has been read. A picture lies in a script block that is not a script:
text to the browser, and decoded only while its card is near the window.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import posixpath
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template
from typing import BinaryIO
from urllib.parse import quote

from lptn_retouch.batch.words import duration
from lptn_retouch.errors import UsageError, shown
from lptn_retouch.files import PathLike, as_path, check_target, write_atomically
from lptn_retouch.version import __version__

_KINDS = ((b"\xff\xd8\xff", "jpeg"), (b"RIFF", "webp"), (b"\x89PNG", "png"))
_SEEN = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif")  # what every browser of today shows by itself


@dataclass(frozen=True)
class Entry:
    """A photograph and what became of it.

    Args:
        source: its path in the source folder, with ``/`` between folders; may hold surrogates.
        outcome: ``"done"``, ``"failed"``, ``"skipped"`` (done before, and unchanged since) or ``"copied"``.
        preset: the preset's name; "" where none was used.
        amount: 0 to 2, of the change of colour and light.
        detail: 0 to 2, of the change of detail.
        outputs: paths of what was written, absolute or from the working folder.
        source_path: where the photograph is; "" where it shall not be linked to.
        reason: why it failed, one sentence; "" where it did not.
        notices: what else was said of it, a sentence each.
        seconds: what it took.
        megapixels: its size.
        before: a JPEG, WebP or PNG of about 320 px; None where there is none.
        after: the same, of the result.
    """

    source: str
    outcome: str
    preset: str
    amount: float
    detail: float
    outputs: tuple[str, ...]
    source_path: str
    reason: str
    notices: tuple[str, ...]
    seconds: float
    megapixels: float
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True)
class Summary:
    """What the page says of the whole batch and cannot count by itself.

    Args:
        started: when it began.
        seconds: how long it took, by the clock on the wall.
        left_out: how many files were not asked for, or were no pictures.
    """

    started: datetime
    seconds: float
    left_out: int = 0


def check_report(file: PathLike) -> Path:
    """Tell where a report would be written, before there is anything to report.

    Args:
        file: ends in .html or .htm, so that no slip of the pen replaces a photograph.

    Returns:
        The absolute path.

    Raises:
        UsageError: another ending.
        UnwritablePhotoError: nothing can be written there.
    """
    target = as_path(file)
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{shown(target)}: a report is a page; give it a name that ends in .html.")
    check_target(target, None)
    return target


def write_report(file: PathLike, entries: Iterable[Entry], *, title: str, summary: Summary) -> None:
    """Write the page: failures first, then by folder and name.

    Args:
        file: the page, written whole or not at all; links are relative to its folder.
        entries: each is read once. Its pictures pass through an unnamed file beside the page and are then forgotten.
        title: the page's heading, one line.
        summary: what stands under it, besides what is counted.

    Raises:
        UsageError: the file's name does not end in .html or .htm.
        UnwritablePhotoError: nothing can be written there, or the disk is full.

    Example:
        >>> import tempfile
        >>> page = Path(tempfile.mkdtemp()) / "report.html"
        >>> photo = Entry("a.jpg", "done", "winter", 1, 1, (), "", "", (), 0.2, 24, None, None)
        >>> write_report(page, [photo], title="Holiday", summary=Summary(datetime(2025, 5, 1), 0.3))
        >>> "<h1>Holiday</h1>" in page.read_text()
        True
    """
    target = check_report(file)

    def fill(page: BinaryIO) -> None:
        with tempfile.TemporaryFile(dir=target.parent) as spool:
            rows, facts = [], _Facts()
            for entry in entries:
                facts.add(entry)
                start = spool.tell()
                _write_pictures(spool, entry)
                rows.append(_Row(_order(entry), _words(entry, target.parent), start, spool.tell() - start))
            _write_page(page, spool, sorted(rows), _head(title, facts, summary))

    write_atomically(target, fill)


@dataclass(frozen=True, slots=True, order=True)
class _Row:
    order: tuple[bool, str, str]
    words: str  # JSON
    start: int  # where the pictures begin in the spool
    length: int


def _order(entry: Entry) -> tuple[bool, str, str]:
    return (entry.outcome != "failed", *posixpath.split(entry.source))


def _words(entry: Entry, folder: Path) -> str:
    """One photograph in the index: everything but the pictures, as JSON in ASCII that cannot end a script."""
    known = {
        "name": shown(posixpath.basename(entry.source)),
        "folder": shown(posixpath.dirname(entry.source)),
        "outcome": entry.outcome,
        "preset": shown(entry.preset),
        "amount": entry.amount,
        "detail": entry.detail,
        "reason": shown(entry.reason),
        "notices": [shown(notice) for notice in entry.notices],
        "seconds": entry.seconds,
        "megapixels": entry.megapixels,
        "before": _kind(entry.before) is not None,
        "after": _kind(entry.after) is not None,
        "source": _link(entry.source_path, folder) if entry.source_path else None,
        "outputs": [_link(path, folder) for path in entry.outputs],
    }
    return json.dumps(known, separators=(",", ":")).replace("<", "\\u003c")


def _link(path: str, folder: Path) -> dict[str, object]:
    """A file as the page links to it.

    Source: RFC 3986 2.1 and 4.2: the name's bytes, percent-encoded; a colon too, or the first folder reads as a scheme.
    """
    there = os.path.abspath(path)  # noqa: PTH100  (Path.absolute keeps "..")
    try:
        url = quote(os.fsencode(os.path.relpath(there, folder)).replace(os.sep.encode(), b"/"))
    except ValueError:  # another drive of Windows: no way leads there from here
        url = Path(there).as_uri()
    return {"name": shown(os.path.basename(there)), "url": url, "seen": there.lower().endswith(_SEEN)}  # noqa: PTH119


def _kind(picture: bytes | None) -> str | None:
    return next((kind for start, kind in _KINDS if picture and picture.startswith(start)), None)


def _write_pictures(spool: BinaryIO, entry: Entry) -> None:
    """Before and after, a line each, as ``data:`` addresses."""
    for picture in (entry.before, entry.after):
        if kind := _kind(picture):
            assert picture is not None
            spool.write(f"data:image/{kind};base64,".encode() + base64.b64encode(picture))
        spool.write(b"\n")


def _write_page(page: BinaryIO, spool: BinaryIO, rows: list[_Row], values: dict[str, str]) -> None:
    here = Path(__file__)
    style, script = (here.with_suffix(ending).read_text("utf-8") for ending in (".css", ".js"))
    filled = Template(here.with_suffix(".html").read_text("utf-8")).substitute(
        values | {"style": style, "style_hash": _hash(style), "script": script, "script_hash": _hash(script)},
        index="\0",
        pictures="\0",
    )
    head, middle, end = filled.split("\0")
    page.write(head.encode())
    for i, row in enumerate(rows):
        page.write((",\n" if i else "").encode() + row.words.encode())
    page.write(middle.encode())
    for i, row in enumerate(rows):
        if row.length > len(b"\n\n"):
            spool.seek(row.start)
            page.write(f'<script type="text/plain" id="pictures-{i}">'.encode())
            page.write(spool.read(row.length))
            page.write(b"</script>\n")
    page.write(end.encode())


def _hash(text: str) -> str:
    """What the page's Content Security Policy knows its own style and script by.

    Source: W3C Content Security Policy Level 3, 2.3.1.
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class _Facts:
    """What is counted of the entries as they pass."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.presets: dict[str, None] = {}
        self.megapixels = 0.0

    def add(self, entry: Entry) -> None:
        self.outcomes[entry.outcome] += 1
        if entry.outcome == "done":
            self.megapixels += entry.megapixels
        if entry.preset:
            self.presets[shown(entry.preset)] = None


def _head(title: str, facts: _Facts, summary: Summary) -> dict[str, str]:
    """The words of the page's head, by the names they have in the template."""
    counts = {name: facts.outcomes[name.lower()] for name in ("Failed", "Done", "Skipped", "Copied")}
    figures = {name: f"{count:,}" for name, count in (counts | {"Left out": summary.left_out}).items()}
    figures |= {"Megapixels": f"{facts.megapixels:,.0f}", "Time": duration(summary.seconds)}
    some = ' class="failed"' if counts["Failed"] else ""
    told = [
        f"<div{some if name == 'Failed' else ''}><dt>{name}</dt><dd>{figure}</dd></div>"
        for name, figure in figures.items()
    ]
    started = summary.started
    return {
        "title": html.escape(shown(title)),
        "figures": "\n".join(told),
        "started": started.isoformat(),
        "date": f"{started.day} {started:%B %Y, %H:%M}",
        "presets": html.escape(", ".join(facts.presets) or "none"),
        "version": html.escape(__version__),
    }
