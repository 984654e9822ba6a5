"""``lptn-retouch presets``: list, show and import presets."""

from __future__ import annotations

import argparse
from pathlib import Path

from lptn_retouch.preset import import_preset, list_presets, load_preset


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("presets", help="list, show, import presets", description=__doc__)
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    actions.add_parser("list", help="names of all presets (the default)").set_defaults(run=run_list)
    show = actions.add_parser("show", help="a preset's header and card")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=run_show)
    take = actions.add_parser("import", help="make a preset of a published .pth or a .safetensors file")
    take.add_argument("file", metavar="FILE", type=Path)
    take.add_argument("--name", required=True, help="what to call it")
    take.set_defaults(run=run_import)


def run_list(args: argparse.Namespace) -> int:  # noqa: ARG001
    for name in list_presets():
        print(name)
    return 0


def run_show(args: argparse.Namespace) -> int:
    preset = load_preset(args.name)
    fields = {"name": preset.name, "architecture": preset.architecture, **preset.header}
    fields |= {"sha256": preset.sha256, "file": str(preset.path)}
    width = max(map(len, fields))
    for key, value in fields.items():
        print(f"{key.replace('_', ' '):{width}}  {value or '-'}")
    if preset.card:
        print(f"\n{preset.card.rstrip()}")
    return 0


def run_import(args: argparse.Namespace) -> int:
    file = import_preset(args.file, args.name)
    print(f"{args.name} is installed: {file}")
    return 0
