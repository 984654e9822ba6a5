"""``lptn-retouch train``: make a preset of pairs of pictures, or of two folders that share no scene.

With ``--before`` and ``--after``, or ``--source`` and ``--style``, the preset ``--name`` is installed when it is
learnt. With CONFIG.toml it is left in the run folder. The same command goes on where a killed run stopped.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.cli.arguments import check_folders
from lptn_retouch.cli.parser import examples
from lptn_retouch.errors import TrainingError, UsageError, shown

if TYPE_CHECKING:
    from lptn_retouch.training.config import TrainConfig

_SHORT = ("before", "after", "source", "style", "name", "steps", "seed")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "train",
        help="make a preset of your own pictures",
        description=__doc__,
        epilog=examples(
            "lptn-retouch train --before before/ --after after/ --name mylook",
            "lptn-retouch train --source summers/ --style winters/ --name frost",
        ),
    )
    parser.add_argument("config", metavar="CONFIG.toml", type=Path, nargs="?", help="all settings; docs/training.md")
    parser.add_argument("--before", metavar="DIR", type=Path, help="pictures before, 30 to 300 of them")
    parser.add_argument("--after", metavar="DIR", type=Path, help="the same pictures after, under the same names")
    parser.add_argument("--source", metavar="DIR", type=Path, help="pictures as they are")
    parser.add_argument("--style", metavar="DIR", type=Path, help="other pictures, as they shall look")
    parser.add_argument("--name", help="of the preset")
    parser.add_argument("--steps", type=int, help="more take longer and come nearer (default: minutes on two cores)")
    parser.add_argument("--seed", type=int, help="of all random choices (default: 0)")
    parser.add_argument("--run", dest="folder", metavar="FOLDER", type=Path, help="default: runs/NAME")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    config = _short_form(args) if args.config is None else _long_form(args)
    from lptn_retouch.preset import user_folder
    from lptn_retouch.training.result import write_result
    from lptn_retouch.training.trainer import train

    name = config.preset.name
    folder = args.folder or Path("runs") / name
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started, one speaks
    weights = train(config, folder, lambda line: print(line, file=sys.stderr, flush=True))
    if not first:
        return 0
    target = (user_folder() if args.config is None else folder) / f"{name}.safetensors"
    file = write_result(config, folder, weights, target, _command(args))
    if args.config is None:
        print(f"{name} is installed: {shown(file)}\ntry it with: lptn-retouch apply PHOTO -p {name}")
    else:
        print(f"{shown(file)}\ninstall it with: lptn-retouch presets import {shown(file)} --name {name}")
    return 0


def _long_form(args: argparse.Namespace) -> TrainConfig:
    if given := [f"--{name}" for name in _SHORT if getattr(args, name) is not None]:
        raise UsageError(f"{given[0]} stands in CONFIG.toml or on the command line, not in both; leave one out.")
    if not os.path.isfile(args.config):  # noqa: PTH113
        raise TrainingError(f"{shown(args.config)}: there is no such file; name a TOML file that describes the run.")
    from lptn_retouch.names import valid_name
    from lptn_retouch.training.config import read_config

    config = read_config(args.config)
    if not valid_name(config.preset.name):
        raise UsageError(
            f"[preset] name {config.preset.name[:80]!r} cannot name a preset; use letters, digits and '-'."
        )
    return config


def _short_form(args: argparse.Namespace) -> TrainConfig:
    from lptn_retouch.sharing import name_for

    pairs, folders = (args.before, args.after), (args.source, args.style)
    if (all(pairs) and not any(folders)) is (all(folders) and not any(pairs)):
        raise UsageError("name a CONFIG.toml, or --before and --after, or --source and --style.")
    if args.name is None:
        raise UsageError("the preset needs a name; give one with --name.")
    if (args.steps is not None and args.steps < 1) or (args.seed or 0) < 0:
        raise UsageError("--steps is 1 or more and --seed is 0 or more; mend them.")
    name = name_for(f"{args.name}.safetensors", args.name)  # taken or invalid: said before anything is learnt
    check_folders(*pairs, *folders)
    from lptn_retouch.training.short import from_folders, from_pairs

    if all(pairs):
        return from_pairs(args.before, args.after, name, steps=args.steps, seed=args.seed or 0)
    return from_folders(args.source, args.style, name, steps=args.steps, seed=args.seed or 0)


def _command(args: argparse.Namespace) -> str:
    words = ["lptn-retouch", "train", *([str(args.config)] if args.config else [])]
    for name in _SHORT:
        if (value := getattr(args, name)) is not None:
            words += [f"--{name}", str(value)]
    return shlex.join(words)
