"""``lptn-retouch presets``: list, show, import, export and remove presets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lptn_retouch.cli.parser import examples
from lptn_retouch.errors import InvalidPresetError, UsageError, shown
from lptn_retouch.preset import find_preset, list_presets, load_preset, user_folder


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "presets",
        help="list, show, import, export, remove presets",
        description=__doc__,
        epilog=examples("lptn-retouch presets", "lptn-retouch presets show winter"),
    )
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    there = actions.add_parser(
        "list",
        help="all presets (the default)",
        description="All presets, each with its summary on a terminal; elsewhere names alone, one a line.",
        epilog=examples("lptn-retouch presets list"),
    )
    there.set_defaults(run=run_list)
    show = actions.add_parser(
        "show",
        help="a preset's header and card",
        description="What a preset says of itself, and its card.",
        epilog=examples("lptn-retouch presets show winter"),
    )
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=run_show)
    take = actions.add_parser(
        "import",
        help="install a .safetensors preset, a .cube or HaldCLUT, a published .pth, or hf://owner/name",
        description="Check a file of weights and install it as a preset; nothing in it is run.",
        epilog=examples(
            "lptn-retouch presets import film.cube",
            "lptn-retouch presets import net_g_FiveK_numhigh3.pth --name fivek",
            "lptn-retouch presets import hf://owner/my-look",
        ),
    )
    take.add_argument("file", metavar="FILE", help="a file, or hf://owner/name[@revision][/file.safetensors]")
    take.add_argument("--name", help="what to call it (default: as the file or repository; a .pth needs one)")
    take.set_defaults(run=run_import)
    give = actions.add_parser(
        "export",
        help="write a preset, its card inside, into one file to share",
        description="Write a preset, its card inside, into one file to share.",
        epilog=examples("lptn-retouch presets export winter winter.safetensors"),
    )
    give.add_argument("name", metavar="NAME")
    give.add_argument("file", metavar="FILE", help="a new .safetensors file, or a folder")
    give.set_defaults(run=run_export)
    remove = actions.add_parser(
        "remove",
        help="remove a preset that was imported",
        description="Remove a preset that was imported or learnt, and its card.",
        epilog=examples("lptn-retouch presets remove my-look"),
    )
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(run=run_remove)


def run_list(args: argparse.Namespace) -> int:  # noqa: ARG001
    names = list_presets()
    if not sys.stdout.isatty():  # for scripts: names, and nothing to cut off
        print(*names, sep="\n", end="\n" * bool(names))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, min_width=max(map(len, names), default=0))
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name in names:
        table.add_row(name, _summary(name))
    Console(highlight=False, markup=False).print(table)
    return 0


def run_show(args: argparse.Namespace) -> int:
    preset = load_preset(args.name)
    fields = {"name": shown(preset.name), "architecture": preset.architecture, **preset.header}
    if preset.alters:
        fields["alters"] = preset.alters
    fields |= {"sha256": preset.sha256, "file": shown(preset.path)}
    width = max(map(len, fields))
    for key, value in fields.items():
        print(f"{key.replace('_', ' '):{width}}  {value or '-'}")
    if preset.card and sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        print()
        Console(width=min(100, Console().width)).print(Markdown(preset.card, hyperlinks=False))
    elif preset.card:
        print(f"\n{preset.card.rstrip()}")
    return 0


def run_import(args: argparse.Namespace) -> int:
    from lptn_retouch.hub import fetched, is_address
    from lptn_retouch.sharing import import_preset, name_for

    commit = ""
    if is_address(args.file):
        name = name_for(args.file, args.name)  # said before anything is fetched
        with fetched(args.file) as download:
            file, commit = import_preset(download.file, name), download.commit
    else:
        file = import_preset(args.file, args.name)
    print(f"{file.stem} is installed: {shown(file)}\nsha256  {load_preset(file).sha256}")
    if commit:
        print(f"commit  {shown(commit)}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    from lptn_retouch.sharing import export_preset

    file = export_preset(args.name, args.file)
    print(f"{shown(file)}\nsha256  {load_preset(file).sha256}")
    return 0


def run_remove(args: argparse.Namespace) -> int:
    from lptn_retouch.sharing import remove_preset

    for file in remove_preset(args.name):
        print(f"removed {shown(file)}")
    return 0


def _summary(name: str) -> str:
    """A preset in a few words: whose it is, unless it is ours, and what it does, or that it is damaged."""
    file = find_preset(name)
    try:
        preset = load_preset(file)
    except InvalidPresetError:
        return f"{_yours(file)}damaged; fetch it again"
    return f"{_yours(file)}{preset.header['summary'] or '-'}"


def _yours(file: Path) -> str:
    try:
        return "(yours) " if file.parent == user_folder() else ""
    except UsageError:  # an account without a home
        return ""
