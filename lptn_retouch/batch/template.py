"""Names of results by a template: ``{stem}-{preset}.{ext}``, as Python's format strings are written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from string import Formatter
from typing import Any

from lptn_retouch.batch.naming import KEPT, disagree, ending_for
from lptn_retouch.errors import UsageError, shown

FIELDS = ("stem", "name", "preset", "ext", "parent", "date", "number")


@dataclass(frozen=True)
class Subject:
    """What a name can tell of a photograph and its result.

    Args:
        file: the photograph.
        preset: the look's name.
        format: of the result; None for the photograph's own.
        number: its place among the photographs, from 1.
        taken: asks when it was taken, if the name tells.
    """

    file: Path
    preset: str
    format: str | None = None
    number: int = 1
    taken: Callable[[], datetime] = datetime.now

    def value(self, field: str) -> Any:
        """One of `FIELDS`."""
        match field:
            case "stem":
                return _part(self.file.stem)
            case "name":
                return _part(self.file.name)
            case "preset":
                return _part(self.preset)
            case "ext":
                return ending_for(self.file.name, self.format)[1:]
            case "parent":
                return _part(Path(os.path.abspath(self.file)).parent.name)  # noqa: PTH100  (which resolves "..")
            case "date":
                return self.taken()
        return self.number


class Template:
    """A template of names.

    Args:
        text: fields in braces: stem and name of the photograph's file, preset, ext (the ending of the result), parent
            (the folder that the photograph is in), date (of taking; after a colon, in the words of strftime) and
            number (after a colon, its digits). Braces are doubled where they are meant as such.

    Raises:
        UsageError: there is no such field, or a field cannot be written that way.

    Example:
        >>> name = Template("{stem}-{preset}-{number:03}.{ext}")
        >>> name.filled(Subject(Path("in/lake.CR2"), "winter", number=7))
        'lake-winter-007.jpg'

    References:
        Python's format string syntax; strftime of ISO/IEC 9899:2018, 7.27.3.5.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            raise UsageError(f"{shown(text)}: {error}; write {{{{ and }}}} for braces that are no field.") from None
        self._parts = [(literal, field, spec or "") for literal, field, spec, _ in parsed]
        for _, field, _, conversion in parsed:
            if field is not None and (field not in FIELDS or conversion):
                named = f"{field}!{conversion}" if conversion else field
                there_are = ", ".join(f"{{{name}}}" for name in FIELDS)
                raise UsageError(f"a name has no field {{{shown(named)}}}; there are {there_are}.")
        self.filled(Subject(Path("photograph.jpg"), "preset"))  # which tries what stands after the colons

    def uses(self, field: str) -> bool:
        """Whether names tell this of a photograph."""
        return any(name == field for _, name, _ in self._parts)

    def filled(self, subject: Subject) -> str:
        """The name of a photograph's result."""
        return "".join(literal + self._filled(subject, field, spec) for literal, field, spec in self._parts)

    def number_in(self, name: str, subject: Subject) -> int | None:
        """The number that this photograph's result has if it is called so; None if it cannot be called so."""
        pattern = ""
        for literal, field, spec in self._parts:
            value = "([0-9]+)" if field == "number" else re.escape(self._filled(subject, field, spec))
            pattern += re.escape(literal) + value
        found = re.fullmatch(pattern, name)
        return int(found[1]) if found else None

    def check(self, format: str | None) -> None:
        """Refuse names whose ending is of no format, or of another than the one asked for.

        Raises:
            UsageError: so it is.
        """
        ending = os.path.splitext(self.filled(Subject(Path("photograph.jpg"), "preset", format)))[1].lower()  # noqa: PTH122
        if ending not in KEPT:
            raise UsageError(f"{shown(self.text)}: no format is written under this ending; let names end in .{{ext}}.")
        if disagree(ending, format):
            raise UsageError(f"{shown(self.text)} is not {format}; let names end in .{{ext}}, or leave out the format.")

    def check_inside(self, format: str | None) -> None:
        """:meth:`check`, and refuse names that lead out of the folder that they are for, or are hidden.

        Raises:
            UsageError: so it is.
        """
        self.check(format)
        path = PurePath(self.filled(Subject(Path("photograph.jpg"), "preset")))
        if path.drive or path.root or any(part.startswith(".") for part in path.parts):
            raise UsageError(f"{shown(self.text)}: names lie inside the folder of results and are not hidden.")

    def _filled(self, subject: Subject, field: str | None, spec: str) -> str:
        if field is None:
            return ""
        value = subject.value(field)
        try:
            if isinstance(value, datetime):
                return format(value, spec or "%Y-%m-%d").replace(":", "-")  # which Windows has in no name
            return format(value, spec)
        except ValueError:
            raise UsageError(f"{shown(self.text)}: a {field} cannot be written as {shown(spec)!r}.") from None


def taken(file: Path) -> datetime:
    """When a photograph was taken, local time; if it does not say, when its file was last written."""
    from lptn_retouch.batch.shot import read_shot

    try:
        return read_shot(file, []).taken or datetime.fromtimestamp(file.stat().st_mtime)
    except (OSError, ValueError, OverflowError):  # said when it is opened
        return datetime.fromtimestamp(0)


def _part(text: str) -> str:
    """A name that stays one part of a path, whatever it is that a template puts it into."""
    text = re.sub(r"[/\\]" if os.sep == "\\" else "/", "-", text)
    return "-" if text in (".", "..") else text
