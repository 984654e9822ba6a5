"""``lptn-retouch presets``: list, show, import, export and remove presets."""

from __future__ import annotations

import argparse

from lptn_retouch.errors import shown
from lptn_retouch.preset import list_presets, load_preset


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("presets", help="list, show, import, export, remove presets", description=__doc__)
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    actions.add_parser("list", help="names of all presets (the default)").set_defaults(run=run_list)
    show = actions.add_parser("show", help="a preset's header and card")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=run_show)
    take = actions.add_parser("import", help="install a .safetensors preset, a published .pth, or hf://owner/name")
    take.add_argument("file", metavar="FILE", help="a file, or hf://owner/name[@revision][/file.safetensors]")
    take.add_argument("--name", help="what to call it (default: as the file or repository; a .pth needs one)")
    take.set_defaults(run=run_import)
    give = actions.add_parser("export", help="write a preset, its card inside, into one file to share")
    give.add_argument("name", metavar="NAME")
    give.add_argument("file", metavar="FILE", help="a new .safetensors file, or a folder")
    give.set_defaults(run=run_export)
    remove = actions.add_parser("remove", help="remove a preset that was imported")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(run=run_remove)


def run_list(args: argparse.Namespace) -> int:  # noqa: ARG001
    for name in list_presets():
        print(name)
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
    if preset.card:
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
