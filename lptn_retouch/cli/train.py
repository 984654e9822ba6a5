"""``lptn-retouch train``: make a preset of pairs of pictures, or of two folders that share no scene.

With ``--before`` and ``--after``, or ``--source`` and ``--style``, the preset ``--name`` is installed when it is
learnt. With CONFIG.toml it is left in the run folder. The same command goes on where a killed run stopped.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.cli.arguments import check_folders
from lptn_retouch.cli.parser import examples
from lptn_retouch.errors import TrainingError, UsageError, shown
from lptn_retouch.threads import wait_without_spinning

if TYPE_CHECKING:
    from lptn_retouch.training.run.config import TrainConfig

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
    parser.add_argument("--no-check", dest="check", action="store_false", help="learn from pairs that do not match too")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell losses and steps a second too")
    parser.add_argument("--run", dest="folder", metavar="FOLDER", type=Path, help="default: runs/NAME")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    wait_without_spinning()
    config = _short_form(args) if args.config is None else _long_form(args)
    from lptn_retouch.training.run.interrupt import Stopped
    from lptn_retouch.training.run.trainer import train

    folder = args.folder or Path("runs") / config.preset.name
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started, one speaks
    try:
        weights = train(config, folder, _say, verbose=args.verbose)
    except Stopped as stopped:
        if first:
            again = _command(args, "--run", str(args.folder)) if args.folder else _command(args)
            _say(f"stopped at step {stopped.step} of {config.optim.steps} and saved; go on with:\n  {again}")
        return 128 + stopped.number
    return _finish(args, config, folder, weights) if first else 0


def _finish(args: argparse.Namespace, config: TrainConfig, folder: Path, weights: Path) -> int:
    """Write the preset, install it if it was asked for and helps, and say how good it is and how to use it."""
    from lptn_retouch.preset import user_folder
    from lptn_retouch.training.run.result import read_outcome, write_result

    name, outcome = config.preset.name, read_outcome(folder)
    helps, install = outcome is None or outcome.helps, args.config is None
    target = (user_folder() if install and helps else folder) / f"{name}.safetensors"
    file = write_result(config, folder, weights, target, _command(args))
    by_hand = f"lptn-retouch presets import {shlex.quote(shown(file))} --name {name}"
    if not helps and outcome is not None:
        _say(
            f"{name} is {'not installed: it is ' if install else ''}no closer to the held-out pictures than untouched "
            f"ones are ({outcome.best:.1f} dB, untouched {outcome.untouched:.1f})\n"
            "look at the sheets in the run folder: do the pairs show one look? more pairs and more steps may help too"
        )
    print(f"{name} is installed: {shown(file)}" if install and helps else shown(file))
    if outcome is not None and helps:
        print(f"how close: {outcome.best:.1f} dB, untouched {outcome.untouched:.1f} (step {outcome.step})")
    print(f"try it with: lptn-retouch apply PHOTO -p {name}" if install and helps else f"install it with: {by_hand}")
    return 0 if helps or not install else 1


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _long_form(args: argparse.Namespace) -> TrainConfig:
    if given := [f"--{name}" for name in _SHORT if getattr(args, name) is not None]:
        raise UsageError(f"{given[0]} stands in CONFIG.toml or on the command line, not in both; leave one out.")
    if not os.path.isfile(args.config):  # noqa: PTH113
        raise TrainingError(f"{shown(args.config)}: there is no such file; name a TOML file that describes the run.")
    from lptn_retouch.names import valid_name
    from lptn_retouch.training.run.config import read_config

    config = read_config(args.config)
    if not args.check:
        config = replace(config, data=replace(config.data, check=False))
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
    from lptn_retouch.training.run.short import from_folders, from_pairs

    if all(pairs):
        return from_pairs(args.before, args.after, name, steps=args.steps, seed=args.seed or 0, check=args.check)
    return from_folders(args.source, args.style, name, steps=args.steps, seed=args.seed or 0)


def _command(args: argparse.Namespace, *further: str) -> str:
    words = ["lptn-retouch", "train", *([str(args.config)] if args.config else [])]
    for name in _SHORT:
        if (value := getattr(args, name)) is not None:
            words += [f"--{name}", str(value)]
    return shlex.join([*words, *([] if args.check else ["--no-check"]), *further])
