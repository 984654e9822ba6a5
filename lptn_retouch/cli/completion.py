"""``lptn-retouch completion``: the lines that make a shell complete verbs, options, choices, presets and files."""

from __future__ import annotations

import argparse
import os
from typing import Any

from lptn_retouch.cli.parser import Parser, examples, verbs_of

SHELLS = ("bash", "zsh", "fish", "powershell")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "completion",
        help="make your shell complete what you type",
        description=__doc__,
        epilog=examples(
            'eval "$(lptn-retouch completion bash)"                      in ~/.bashrc; zsh in ~/.zshrc, after compinit',
            "lptn-retouch completion fish > ~/.config/fish/completions/lptn-retouch.fish",
            "lptn-retouch completion powershell >> $PROFILE",
        ),
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["lptn-retouch"], shell=args.shell))
    return 0


def complete(parser: Parser) -> None:
    """Answer a shell that asks, through its environment, how the words so far could go on; then end the process."""
    from argcomplete import autocomplete

    # PowerShell leaves out a space at the end, and with it that the word before it is whole.
    os.environ["COMP_LINE"] = os.environ["COMP_LINE"].ljust(int(os.environ["COMP_POINT"]))
    _name_presets(parser)
    autocomplete(parser, always_complete_options=False)


def _name_presets(parser: Parser) -> None:
    """Let arguments that name presets be completed by those there are."""
    for action in parser._actions:
        if action.dest == "preset" or (action.dest == "name" and not action.option_strings):
            # where argcomplete looks for it
            setattr(action, "completer", _own if parser.prog.endswith(" remove") else _presets)  # noqa: B010
    for verb in verbs_of(parser).values():
        _name_presets(verb)


def _own(**_: Any) -> list[str]:
    from lptn_retouch.preset import user_folder

    return [file.stem for file in user_folder().glob("*.safetensors")]


def _presets(**_: Any) -> list[str]:
    from lptn_retouch.preset import list_presets

    return list_presets()
