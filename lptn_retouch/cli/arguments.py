"""The arguments that several verbs share, and what they say in words."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lptn_retouch.batch.naming import ENDINGS, format_word
from lptn_retouch.batch.settings import Look, Output
from lptn_retouch.batch.storage import Place, located
from lptn_retouch.batch.words import bytes_of
from lptn_retouch.cli.parser import number
from lptn_retouch.errors import TrainingError, UsageError, shown
from lptn_retouch.stack import parse_step

T = TypeVar("T")

METADATA = ("keep", "strip-private", "none")
PROFILES = ("keep", "srgb")


def add_look(parser: argparse._ActionsContainer) -> None:
    """Which presets, how strong, and where."""
    parser.add_argument(
        "-p",
        "--preset",
        metavar="PRESET[:AMOUNT]",
        action="append",
        type=spoken(parse_step),
        help="name or file of a preset; several, as in -p retouch -p winter:0.6, are applied one after the other "
        "(default: retouch)",
    )
    parser.add_argument("--amount", type=strength, default=1.0, help="0 to 2, change of colour and light (default: 1)")
    parser.add_argument("--detail", type=strength, default=1.0, help="0 to 2, change of fine detail (default: 1)")
    parser.add_argument(
        "--mask", metavar="FILE", help="a grey picture, white where the look is applied; of the photograph's shape"
    )


def add_output(parser: argparse._ActionsContainer) -> None:
    """How results are written."""
    parser.add_argument(
        "--format", type=format_word, choices=ENDINGS, help="of the results (default: the input's; JPEG for a RAW)"
    )
    parser.add_argument("--quality", type=quality, default=92, help="1 to 100, where a format loses (default: 92)")
    parser.add_argument(
        "--max-size",
        type=spoken(bytes_of),
        metavar="SIZE",
        help="as in 500KB: the best quality, up to --quality, that fits",
    )
    parser.add_argument(
        "--long-edge", type=edge, metavar="PX", help="most pixels of the longer side; sharpened for a screen"
    )
    parser.add_argument("--no-sharpen", action="store_true", help="do not sharpen what --long-edge makes smaller")
    parser.add_argument("--bit-depth", type=int, choices=(8, 16), help="bits a channel (default: the input's)")
    parser.add_argument(
        "--metadata", choices=METADATA, default="keep", help="strip-private leaves out places, serial numbers, faces"
    )
    parser.add_argument("--profile", choices=PROFILES, default="keep", help="the input's colour space, or sRGB")


def add_machine(parser: argparse._ActionsContainer, limit: str = "refuse what needs more") -> None:
    """What may be used of the machine."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps, reference (default: auto)")
    parser.add_argument("--memory-limit", type=gigabytes, metavar="GB", help=f"{limit} (default: the machine's memory)")


def look_of(args: argparse.Namespace) -> Look:
    """The look that the arguments of :func:`add_look` say."""
    return Look(args.preset or "retouch", args.amount, args.detail, args.mask)


def output_of(args: argparse.Namespace) -> Output:
    """The output that the arguments of :func:`add_output` say."""
    return Output(
        "",
        args.format,
        args.quality,
        args.bit_depth,
        args.metadata,
        args.profile,
        args.long_edge,
        not args.no_sharpen,
        args.max_size,
    )


def folder(text: str) -> Path:
    """A command line's folder. An empty word is none: a shell writes it for a variable that is not set."""
    if not text:
        raise argparse.ArgumentTypeError("the name of a folder, not an empty word")
    return Path(text)


def place(text: str) -> Place:
    """A command line's folder, or a URL for one."""
    return located(text) if "://" in text else folder(text)


def check_folders(*folders: Path | None) -> None:
    """Refuse folders of pictures that are not there, before what would read them is imported; None is no folder.

    Raises:
        TrainingError: one is not there.
    """
    for place in folders:
        if place is not None and not os.path.isdir(place):  # noqa: PTH112  (asks of impossible names as well)
            raise TrainingError(f"{shown(place)}: no such folder; name a folder of pictures.")


def within(low: float, high: float, kind: Callable[[str], float], words: str) -> Callable[[str], float]:
    """A reader of numbers from `low` to `high`."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{words}, not {text}")
        return value

    return read


def spoken(read: Callable[[str], T]) -> Callable[[str], T]:
    """A reader whose own sentence argparse shall print."""

    def reading(text: str) -> T:
        try:
            return read(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None

    return reading


strength = within(0, 2, number, "a number from 0 to 2")
quality = within(1, 100, int, "a whole number from 1 to 100")
edge = within(16, 65535, int, "a whole number of pixels from 16")
whole = within(1, 4096, int, "a whole number from 1")
seconds = within(1, 1e6, number, "a number of seconds from 1")
_gigabytes = within(1e-9, 1e9, number, "a number of gigabytes above 0")


def gigabytes(text: str) -> int:
    """A command line's amount of memory, in bytes."""
    return int(_gigabytes(text) * 1e9)
