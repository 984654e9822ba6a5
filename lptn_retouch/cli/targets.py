"""Where results go, and what becomes of the files that are there already."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from lptn_retouch.batch.naming import ENDINGS, KEPT, disagree, folded
from lptn_retouch.batch.template import Subject, Template, taken
from lptn_retouch.batch.words import duration
from lptn_retouch.cli.paths import STREAM, is_there
from lptn_retouch.cli.progress import Gauge
from lptn_retouch.cli.talk import because
from lptn_retouch.errors import InTheWayError, LptnRetouchError, UnwritablePhotoError, UsageError, causes, shown

BESIDE = "{stem}-{preset}.{ext}"
FEW = 3  # photographs, for which a bar and a summary would be more than there is to say


def add_existing(parser: argparse._ActionsContainer, what: str = "files that are there") -> None:
    """What becomes of files that are where results go; without one of these, they are left, and that is a failure."""
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help=f"replace {what}, unless they are read-only")
    existing.add_argument("--skip", action="store_true", help=f"leave {what}, and call it no failure")


class LeftOutError(Exception):
    """A photograph is a result of ours already, and nobody asked for it to be retouched again."""


class Ends:
    """How each photograph ended: those that fail are named, and the others done.

    Args:
        total: photographs.
        args: of the verb: whether a file that is in the way is no failure, and how much is said.
    """

    def __init__(self, total: int, args: argparse.Namespace) -> None:
        self.total, self._skip, self._verbose = total, args.skip, args.verbose
        self._many = total > FEW and not args.quiet
        self._quiet, self._started = args.quiet, time.monotonic()
        self._done = self.failed = self.skipped = 0
        self.results: list[Path] = []  # photographs that were left out, since they are results themselves
        self._gauge = Gauge(total, quiet=not self._many or not sys.stderr.isatty())

    def __enter__(self) -> Ends:
        """Show how far it is, where there are many."""
        self._gauge.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._gauge.__exit__()

    def well(self, source: Path, work: Callable[[], object]) -> bool:
        """Do work for a photograph; whether it went well."""
        try:
            work()
        except LeftOutError:
            self.results.append(source)
            self._gauge.add(0, failed=False, done_now=False)
        except InTheWayError as error:
            self.skipped += self._skip
            self.failed += not self._skip
            self._gauge.add(0, failed=not self._skip, done_now=False)
            if not self._skip:
                self._gauge.say(f"lptn-retouch: {shown(str(error))}")
        except LptnRetouchError as error:
            self.fail(source, str(error), causes(error))
        except MemoryError:
            self.fail(source, "there is not enough memory for it.")
        else:
            return True
        return False

    def done(self, megapixels: float) -> None:
        """Count a photograph that is retouched."""
        self._done += 1
        self._gauge.add(megapixels, failed=False)

    def fail(self, source: Path, message: str, causes: Iterable[str] = ()) -> None:
        """Name a photograph that failed."""
        self.failed += 1
        named = message if shown(source.name) in message else f"{shown(source)}: {message}"
        self._gauge.say(f"lptn-retouch: {named}" + because(causes if self._verbose else ()))
        self._gauge.add(0, failed=True)

    def status(self) -> int:
        """Say what was left, and how many failed. Returns the exit status."""
        nothing_left = bool(self.results) and len(self.results) == self.total
        if self.results and (nothing_left or not self._quiet):
            print(left_out(len(self.results), self.results[0]), file=sys.stderr)
        if not self._quiet:
            self._sum_up()
        if nothing_left:
            return 2
        return 1 if self.failed else 0

    def _sum_up(self) -> None:
        if self.skipped:
            print(left_alone(self.skipped), file=sys.stderr)
        if self._many and self._done:
            said = f"{self._done} retouched in {duration(time.monotonic() - self._started)}"
            print(f"{said}, {self.failed} failed" if self.failed else said, file=sys.stderr)
        elif self.failed and self.total > 1:
            print(f"lptn-retouch: {self.failed} of {self.total} failed, the others are done.", file=sys.stderr)


def ended_by(error: InTheWayError, *, skip: bool) -> int:
    """Say that the one file there was to write is left as it is. Returns the exit status."""
    print(left_alone(1) if skip else f"lptn-retouch: {shown(str(error))}", file=sys.stderr)
    return 0 if skip else 1


def left_alone(count: int) -> str:
    """What is said of results that were not written, since files are there, with --skip."""
    return f"{'1 was' if count == 1 else f'{count} were'} skipped: a file is there already, and is left as it is."


def left_out(count: int, first: str | os.PathLike[str]) -> str:
    """What is said of photographs that are results of ours already."""
    if count == 1:
        return f"{shown(first)} is a result already and is left out; --again retouches it once more."
    return f"{count} are results already ({shown(first)}...) and are left out; --again retouches them once more."


def plan(inputs: list[Path], output: str | None, format: str | None, preset: str, beside: str = BESIDE) -> list[Path]:
    """Where each input's result goes; said before any work, so that no result can meet another or replace its input.

    Args:
        output: a file, a folder, a template of names, or ``-`` for standard output; None for beside each input.
        preset: what templates call by this name.
        beside: the template of names where there is no `output`.

    Raises:
        UsageError: two results would be one file, a result would replace its input, or the folder is a file.
        UnwritablePhotoError: the file's folder does not exist.
    """
    for source in inputs:
        if not source.name:
            raise UsageError(f"{source} is a folder; name the photographs in it, {Path(source, '*.jpg')} for example.")
    if output == str(STREAM):
        return [_standard_output(inputs)]
    if output is None:
        if STREAM in inputs:
            raise UsageError("standard input has no name that its result could have; name a file with -o, or -o -.")
        folder, name = None, Template(beside)
    else:
        folder, name = _named(inputs, output, format)
    targets = []
    for number, source in enumerate(inputs, 1):
        subject = Subject(source, preset, format, number, partial(taken, source))
        targets.append((source.parent if folder is None else folder) / name.filled(subject))
    planned: dict[str, Path] = {}
    for source, target in zip(inputs, targets, strict=True):
        key = folded(str(target.absolute()))
        if key in planned:
            raise UsageError(f"{planned[key]} and {source} would both become {target}; give them names of their own.")
        planned[key] = source
        if is_there(target) and is_there(source) and target.samefile(source):
            raise UsageError(f"{target} is an input and is never replaced; name another file or folder with -o.")
    return targets


def _standard_output(inputs: list[Path]) -> Path:
    if len(inputs) > 1:
        raise UsageError(f"standard output takes one photograph, not {len(inputs)}; name a folder with -o.")
    if sys.stdout is None or sys.stdout.isatty():
        raise UsageError("standard output is a terminal; send the photograph to a file, > result.jpg for example.")
    return STREAM


def _named(inputs: list[Path], output: str, format: str | None) -> tuple[Path, Template]:
    """The folder and the template of names that an -o means."""
    is_folder, slash = os.path.isdir(output), output.endswith(("/", os.sep))  # noqa: PTH112
    if "{" in output and not is_there(Path(output)):
        name = Template(output + "{stem}.{ext}" if slash else output)
        name.check(format)
        return Path(), name
    ending = Path(output).suffix.lower()
    if is_folder or slash or (len(inputs) > 1 and ending not in KEPT):
        if is_there(Path(output)) and not is_folder:
            raise UsageError(f"{output} is a file; name a folder with -o.")
        if STREAM in inputs:
            raise UsageError("standard input has no name that its result could have; name a file with -o, or -o -.")
        return Path(output), Template("{stem}.{ext}")
    if len(inputs) > 1:
        raise UsageError(f"{output} is one file, and there are {len(inputs)} inputs; name a folder with -o.")
    if not ending:
        raise UsageError(f"{output}: there is no such folder; add a slash ({output}/) and it is made, or name a file.")
    if ending not in KEPT:
        endings = ", ".join(ENDINGS.values())
        raise UsageError(f"{output}: no format is written under this ending; use one of {endings}.")
    if format and disagree(ending, format):
        raise UsageError(
            f"{output} is not {format}; leave out --format, or name a file that ends in {ENDINGS[format]}."
        )
    parent = Path(output).absolute().parent
    if not os.path.isdir(parent):  # noqa: PTH112
        raise UnwritablePhotoError(f"{shown(output)}: its folder does not exist; create {shown(parent)} first.")
    return Path(), Template(output.replace("{", "{{").replace("}", "}}"))


class Check:
    """Whether a result may be written, before any work.

    Args:
        inputs: none of them is replaced, but for results of ours among them, which are left out.
        overwrite: whether files that are there are replaced.
        asked_for: whether results of ours are to be retouched again.
    """

    def __init__(self, inputs: list[Path], *, overwrite: bool, asked_for: bool) -> None:
        self._inputs = {_identity(source) for source in inputs if is_there(source)}
        self._overwrite, self._asked_for = overwrite, asked_for

    def __call__(self, source: Path, target: Path) -> None:
        """Check a pair.

        Raises:
            InTheWayError: a file is there that may not be replaced.
            LeftOutError: likewise, and the source is a result itself.
        """
        from lptn_retouch.files import check_free

        if target == STREAM:
            return
        try:
            if is_there(target) and _identity(target) in self._inputs and (self._asked_for or not holds_recipe(target)):
                raise InTheWayError(f"{shown(target)} is an input and is never replaced; name another with -o.")
            check_free(target, overwrite=self._overwrite)
        except InTheWayError:
            if not self._asked_for and source != STREAM and holds_recipe(source):
                raise LeftOutError from None
            raise


def _identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116
    return status.st_dev, status.st_ino


def holds_recipe(file: Path) -> bool:
    """Whether a file is a result of ours. Read whole for it: this is asked where a name is taken alone."""
    from lptn_retouch.metadata.recipe import is_result
    from lptn_retouch.opening import metadata_of

    try:
        return is_result(metadata_of(file))
    except (LptnRetouchError, OSError):
        return False


def make_folders(targets: list[Path]) -> None:
    """Make the folders of results, and remove from them what killed processes have left half written.

    Raises:
        UsageError: one cannot be made.
    """
    from lptn_retouch.files import remove_leftovers

    for folder in {target.parent for target in targets if target != STREAM}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder}: {error.strerror}; name a folder that can be made with -o.") from None
        remove_leftovers(folder)
