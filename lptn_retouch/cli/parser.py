"""The parser of a command line: its help, and one sentence for each wrong word."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from lptn_retouch.errors import shown
from lptn_retouch.names import did_you_mean

# What argparse says, and what we say: in this order, the first that is found in its message.
_SAID = (
    (r"^the following arguments are required: (.*)", r"\1 is missing; `{prog} --help` shows an example"),
    (r"^one of the arguments (.*) is required", r"one of \1 is missing; `{prog} --help` shows an example"),
    (r"^ambiguous option: (.*) could match (.*)", r"\1 could be \2; write it whole"),
    (r"^argument (.*?): expected (one|at least one) argument", r"\1: there is no value after it"),
    (r"^argument (.*?): expected (\d+) arguments", r"\1: there are not \2 values after it"),
    (r"^argument (.*?): not allowed with argument (.*)", r"\1 and \2 exclude each other; leave one out"),
    (r"^argument (.*?): ignored explicit argument (.*)", r"\1 takes no value; leave out \2"),
    (r"^argument (.*?): invalid int value: (.*)", r"\1: a whole number, not \2"),
    (r"^argument (.*?): invalid float value: (.*)", r"\1: a number, as in 0.5, not \2"),
    (r"^argument (.*)", r"\1"),
)


@dataclass(frozen=True)
class Default:
    """A default for an option of a verb.

    Args:
        verb: whose.
        table: that it stands in; "" above them all.
        key: the option's long name, without dashes.
        action: the option.
        value: as the command line would have given it.
        text: for people.
        otherwise: the option's own default.
    """

    verb: str
    table: str
    key: str
    action: argparse.Action
    value: Any
    text: str
    otherwise: Any


class Parser(argparse.ArgumentParser):
    """An argparse parser that knows what was meant, and whose options can get other defaults.

    ``type=float`` reads numbers as people write them; see :func:`number`.
    """

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", _Help)
        if settings.get("description"):
            settings["description"] = _plain(settings["description"])
        super().__init__(**settings)
        self.register("type", float, number)
        self._defaults_given: list[Default] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = sys.argv[1:] if args is None else list(args)
        self._check_options(words)
        parsed, left = super().parse_known_args(words, namespace)
        if left:  # of a word that begins with one dash, or of one that nothing is left to take
            self._no_option(left[0]) if left[0].startswith("-") else self.error(f"{left[0]!r} is a word too many")
        self._fill(parsed)
        return parsed, left

    def error(self, message: str) -> NoReturn:
        """End with one sentence and status 2."""
        said = shown(_worded(message, self.prog))  # what it quotes may hold codes that a terminal would obey
        self.exit(2, f"lptn-retouch: {sentence(said)}\n")

    def read(self, action: argparse.Action, text: str) -> Any:
        """The value of an option, read as from the command line.

        Raises:
            ValueError: it is none that the option has; the message says what it has.
        """
        try:
            value = self._get_value(action, text)
            self._check_value(action, value)
        except argparse.ArgumentError as error:
            raise ValueError(_worded(f"argument : {error.message}", self.prog).removeprefix(": ")) from None
        return value

    def give_defaults(self, defaults: Sequence[Default]) -> None:
        """Other defaults than the options have; what the command line says goes before them.

        They are filled in after parsing: argparse would add to the list of an option that may be given several times.
        """
        self._defaults_given = list({default.action: default for default in defaults}.values())
        for default in self._defaults_given:
            default.action.default, default.action.required = None, False

    def _fill(self, parsed: argparse.Namespace) -> None:
        parsed.configured = getattr(parsed, "configured", {})  # of the verb, whose parser comes first
        for default in self._defaults_given:
            action = default.action
            if getattr(parsed, action.dest) is not None:  # by the command line
                continue
            excluding = (group._group_actions for group in self._mutually_exclusive_groups)
            others = [other for actions in excluding if action in actions for other in actions if other is not action]
            if any(getattr(parsed, other.dest) not in (None, other.default) for other in others):
                setattr(parsed, action.dest, default.otherwise)
            else:
                setattr(parsed, action.dest, default.value)
                parsed.configured[action.dest] = default

    def _print_message(self, message: str, file: Any = None) -> None:
        print(message, end="", file=file or sys.stderr)  # argparse would not say that the disk is full

    def _check_options(self, words: Sequence[str]) -> None:
        """Refuse an unknown option first: argparse would complain of what is missing because of it."""
        has_verbs = any(isinstance(action, argparse._SubParsersAction) for action in self._actions)
        for word in words:
            if word == "--" or (has_verbs and not word.startswith("-")):  # from here on it is another's business
                return
            option = word.partition("=")[0]
            known = any(there.startswith(option) for there in self._option_string_actions)
            if word.startswith("--") and " " not in word and not known:
                self._no_option(option)

    def _no_option(self, option: str) -> NoReturn:
        meant = did_you_mean(option, self._option_string_actions) if option.startswith("--") else ""
        self.error(f"there is no option {option}; {meant or f'`{self.prog} --help` lists those there are'}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        meant = did_you_mean(str(value), known)
        there = ", ".join(known)
        if isinstance(action, argparse._SubParsersAction):
            kind = str(action.metavar).lower()
            self.error(f"there is no {kind} {str(value)[:80]!r}; {meant or f'there are {there}'}")
        words = f"one of {there}, not {str(value)[:80]!r}"
        raise argparse.ArgumentError(action, f"{words}; {meant}" if meant else words)


class _Help(argparse.HelpFormatter):
    """Help as argparse writes it, but for paragraphs that are indented: examples stay as they are."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: Any = None) -> None:  # noqa: ARG002
        """The words that must be there; options are listed below."""
        super().add_usage(usage, [action for action in actions if action.required], [], prefix)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            part if part.startswith("  ") or "\n  " in part else super(_Help, self)._fill_text(part, width, indent)
            for part in textwrap.dedent(text).strip().split("\n\n")
        )


def examples(*commands: str) -> str:
    """The end of a verb's help.

    Example:
        >>> print(examples("lptn-retouch apply lake.jpg"))
        Examples:
          lptn-retouch apply lake.jpg
    """
    return "\n  ".join(("Examples:", *commands))


def number(text: str) -> float:
    """A command line's number, with a point or, as much of the world writes it, a comma.

    Raises:
        ValueError: it is none.
        ArgumentTypeError: its comma may as well stand between thousands.

    Example:
        >>> number("0.5"), number("0,5")
        (0.5, 0.5)
    """
    plain = text.strip()
    if re.fullmatch(r"[-+]?0*[1-9]\d*,\d{3}", plain):
        raise argparse.ArgumentTypeError(f"write {plain.replace(',', '.')} or {plain.replace(',', '')}, not {text!r}")
    return float(plain.replace(",", ".") if re.fullmatch(r"[-+]?\d*,\d+", plain) else plain)


def sentence(words: str) -> str:
    """Words with the full stop that a sentence of ours ends with, unless they ask."""
    return words if words.endswith("?") else words.rstrip(".") + "."


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """The parsers of a parser's verbs, by name; none where it has no verbs."""
    found: Iterable[Any] = (a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(next(iter(found), None) or {})


def _worded(message: str, prog: str) -> str:
    """A message of argparse in our words."""
    for pattern, words in _SAID:
        if re.match(pattern, message):
            return re.sub(pattern, words.format(prog=prog), message, count=1)
    return message


def _plain(docstring: str) -> str:
    """A module's docstring for people: without its own name and without markup."""
    text = re.sub(r"^``lptn-retouch[^`]*``: ", "", docstring.strip()).replace("``", "")
    return text[:1].upper() + text[1:]
