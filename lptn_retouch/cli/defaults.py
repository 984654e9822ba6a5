"""One's own defaults: a file in TOML whose keys are long options, which the command line goes before.

    preset = "winter"            # above the tables: for every verb that shares the option
    quality = 95

    [apply]                      # for one verb
    metadata = "strip-private"

``redo`` repeats a recipe and ``serve`` answers an editor, so neither they nor what only tells things reads it.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lptn_retouch.cli.parser import Default, Parser, sentence, verbs_of
from lptn_retouch.errors import UsageError, reason, shown
from lptn_retouch.names import did_you_mean

NOT_READ_BY = ("redo", "serve", "presets", "verify", "gimp", "config", "completion")
SHARED = ("look", "results", "machine", "messages")  # groups of options that mean the same in every verb


def config_file() -> Path | None:
    """Where the file is or would be: as ``LPTN_RETOUCH_CONFIG`` says ("" for nowhere), or at the system's place."""
    named = os.environ.get("LPTN_RETOUCH_CONFIG")
    if named is not None:
        return Path(named) if named else None
    import platformdirs

    try:
        return Path(platformdirs.user_config_dir("lptn_retouch", appauthor=False)) / "config.toml"
    except RuntimeError:  # an account without a home has none
        return None


def give_defaults(parser: Parser, words: Sequence[str]) -> None:
    """Give the parser of the verb that is asked for the defaults in the file.

    Raises:
        UsageError: the file cannot be read, or says what no command line can.
    """
    verb = verbs_of(parser).get(next((word for word in words if not word.startswith("-")), ""))
    if verb is None or {"-h", "--help"} & set(words):
        return
    name = verb.prog.split()[-1]
    if name not in NOT_READ_BY and (file := config_file()) is not None:
        verb.give_defaults([default for default in read_defaults(file, parser) if default.verb == name])


def read_defaults(file: Path, parser: Parser) -> list[Default]:
    """All defaults in a file, those of tables last, as they go before the others.

    Raises:
        UsageError: it cannot be read, is not TOML, or a key or a value is none that an option has.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        if "LPTN_RETOUCH_CONFIG" in os.environ:
            raise UsageError(f"{shown(file)}: there is no such file; LPTN_RETOUCH_CONFIG names it.") from None
        return []
    except OSError as error:
        raise UsageError(f"{shown(file)}: the configuration cannot be read ({reason(error)}); check it.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown(file)}: this is not TOML ({reason(error)}); mend it there.") from None
    verbs = {name: verb for name, verb in verbs_of(parser).items() if name not in NOT_READ_BY}
    tables = {key: content.pop(key) for key in list(content) if isinstance(content[key], dict)}
    options = {name: _options(verb, SHARED) for name, verb in verbs.items()}
    found = list(_read(content, verbs, options, shown(file), ""))
    for name, table in tables.items():
        if name not in verbs:
            raise _unknown(shown(file), f"there is no table [{shown(name)}]", name, verbs)
        found += _read(table, verbs, {name: _options(verbs[name])}, f"{shown(file)}, [{name}]", name)
    return found


def told(args: argparse.Namespace) -> str:
    """Which defaults a command has from the file, in a line; "" for none."""
    said = ", ".join(f"{default.key} {default.text}" for default in args.configured.values())
    return f"From {shown(config_file() or '')}: {said}" if said else ""


def without(args: argparse.Namespace, *names: str) -> None:
    """Take back what the file, and not the command line, says about these options."""
    for name in names:
        if default := args.configured.pop(name, None):
            setattr(args, name, default.otherwise)


def _read(
    table: dict[str, Any],
    verbs: dict[str, Parser],
    options: dict[str, dict[str, argparse.Action]],
    where: str,
    name: str,
) -> Iterator[Default]:
    """The defaults in a table, for each verb whose options have the key."""
    for key, value in table.items():
        having = {verb: known[key] for verb, known in options.items() if key in known}
        if not having:
            known = {option for actions in options.values() for option in actions}
            raise _unknown(where, f"there is no key {shown(key)[:80]!r}", key, known)
        for verb, action in having.items():
            try:
                read = _value(verbs[verb], action, value)
            except ValueError as error:
                raise UsageError(sentence(f"{where}: {key}: {error}")) from None
            yield Default(verb, name, key, action, read, _text(value), action.default)


def _value(parser: Parser, action: argparse.Action, value: Any) -> Any:
    """A value of TOML as the command line would have given it; a ValueError says what it should be."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError(f"true or false, not {_text(value)!r}")
        return value
    several = isinstance(action, argparse._AppendAction) or action.nargs is not None
    values = value if several and isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, bool | list | dict):
            raise ValueError(f"a number or a word in quotes, not {_text(one)!r}")
    read = [parser.read(action, _text(one)) for one in values]
    return read if several else read[0]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)


def _options(parser: Parser, groups: Sequence[str] | None = None) -> dict[str, argparse.Action]:
    """The options of a parser by their long names, those of some groups or all but help."""
    return {
        option[2:]: action
        for group in parser._action_groups
        for action in group._group_actions
        for option in action.option_strings
        if (groups is None or group.title in groups) and option.startswith("--") and option != "--help"
    }


def _unknown(where: str, what: str, word: str, known: Iterable[str]) -> UsageError:
    there = sorted(known)
    meant = did_you_mean(word, there) or f"there are {', '.join(there)}."
    return UsageError(f"{where}: {what}; {meant}")
