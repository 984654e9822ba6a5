"""How much a command says: with ``--quiet`` failures alone, with ``--verbose`` figures and causes as well."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.batch.words import duration, said

if TYPE_CHECKING:
    from lptn_retouch.photo import Photo
    from lptn_retouch.retoucher import Retoucher
    from lptn_retouch.saving import Saved


def add_talk(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """``--quiet`` and ``--verbose``, in the group that is returned; one of it can be given."""
    how = parser.add_argument_group("messages").add_mutually_exclusive_group()
    how.add_argument("-q", "--quiet", action="store_true", help="print failures only")
    how.add_argument("-v", "--verbose", action="store_true", help="seconds, sizes, the engine, and causes of failures")
    return how


def tell(args: argparse.Namespace, photo: Photo, saved: Saved, seconds: float, notes: Iterable[str] = ()) -> None:
    """What there is to say of a result besides its path: notes, and figures where they are asked for."""
    if args.quiet:
        return
    if args.verbose:
        source = photo.source.path
        read = f", {size_of(source)} read" if source else ""
        written = f", {size_of(saved.path)} written" if saved.path.exists() else ""  # not so of standard output
        print(f"  {duration(seconds)}: {photo.width} x {photo.height} pixels{read}{written}", file=sys.stderr)
    for notice in (*notes, *photo.notices, *saved.notices):
        print(f"  note: {notice}", file=sys.stderr)


def tell_engine(args: argparse.Namespace, retoucher: Retoucher) -> None:
    """Which engine and preset do the work, and which defaults are not the program's own."""
    from lptn_retouch.cli.defaults import told

    if args.verbose:
        names = ", ".join(f"{preset.name} {preset.header['version']}".strip() for preset, _ in retoucher.steps)
        for line in filter(None, (told(args), f"engine {retoucher.engine}, preset {names}")):
            print(f"  {line}", file=sys.stderr)


def size_of(path: Path) -> str:
    """The size of a file, for people."""
    size = path.stat().st_size
    return f"{size / 1e3:.0f} KB" if size < 1e6 else said(size)


def because(causes: Iterable[str]) -> str:
    """The end of what is said of an error: what led to it, a line each; "" for nothing.

    Example:
        >>> because(["OSError: broken data stream"])
        '\\n  because: OSError: broken data stream'
    """
    return "".join(f"\n  because: {cause}" for cause in causes)
