"""The plan: every photograph, its look and the names of its results, before any work is done."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from lptn_retouch.batch.naming import Names, ending_for, is_of, is_too_long
from lptn_retouch.batch.rules import Rule, decide, matches
from lptn_retouch.batch.settings import Look, Output
from lptn_retouch.batch.shot import read_shot
from lptn_retouch.batch.storage import Place, fetched, is_remote, listed, named
from lptn_retouch.batch.template import Subject, Template, taken
from lptn_retouch.batch.walk import SIDECAR, Found, Listing, listing
from lptn_retouch.errors import UsageError, shown


@dataclass(frozen=True)
class Job:
    """One photograph's part of the plan. Paths are relative: to the source folder, and to that of the results.

    Args:
        found: the photograph.
        look: what it gets; None for a file that is copied.
        targets: its result for each output.
        sidecars: each of its sidecars and what its copy is called.
    """

    found: Found
    look: Look | None
    targets: tuple[str, ...]
    sidecars: tuple[tuple[str, str], ...] = ()

    @property
    def written(self) -> tuple[str, ...]:
        """All files that come of it."""
        return (*self.targets, *(copy for _, copy in self.sidecars))


@dataclass
class Plan:
    """What a batch will do.

    Args:
        source, results: the folders, absolute.
        outputs: files written of each photograph.
        there: bytes and date of what lies among results in storage elsewhere, which is listed once.
        jobs: photographs in the order of their names, then files that are copied.
        left_out: how many files were passed over, by the reason.
        unlisted: folders that cannot be listed, each with a sentence that says why.
    """

    source: Place
    results: Place
    outputs: tuple[Output, ...]
    there: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False)
    jobs: list[Job] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    unlisted: dict[str, str] = field(default_factory=dict)

    @cached_property
    def by_file(self) -> dict[str, Job]:
        """The jobs, by their file."""
        return {job.found.file: job for job in self.jobs}


@dataclass(frozen=True)
class Choice:
    """Which photographs of a folder are meant, and what each gets.

    Args:
        look: unless a rule says otherwise.
        rules: the first that fits decides.
        include, exclude: patterns of names, paths or folders; with no `include`, all.
        newer_than: local time; files that were last written later.
        rating: the fewest stars in XMP.
        copy_others: whether what is no photograph is copied.
    """

    look: Look = field(default_factory=Look)
    rules: tuple[Rule, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    newer_than: datetime | None = None
    rating: int | None = None
    copy_others: bool = False

    def reason_against(self, found: Found) -> str | None:
        """Why a file is passed over, by its name and date alone; None if it is not."""
        if self.include and not any(matches(found.file, pattern) for pattern in self.include):
            return "not included"
        if any(matches(found.file, pattern) for pattern in self.exclude):
            return "excluded"
        if self.newer_than is not None and found.modified <= self.newer_than.timestamp() * 1e9:
            return "not newer"
        return None


def check_folders(source: Place, results: Place) -> None:
    """Refuse a folder of results that is the source, in it or around it: a result could replace an input.

    Raises:
        UsageError: so it is, or the source is no folder.
    """
    if is_remote(source) or is_remote(results):
        one, other = (f"{named(place)}/" if is_remote(place) else "" for place in (source, results))
        if one and other and (one.startswith(other) or other.startswith(one)):
            raise UsageError(
                f"{shown(str(results))}: it and the source lie in one another; name another for the results."
            )
    if is_remote(source):
        return
    if not source.is_dir():
        raise UsageError(f"{shown(source)}: there is no such folder; name the one that the photographs are in.")
    if is_remote(results):
        return
    if results.exists() and not results.is_dir():
        raise UsageError(f"{shown(results)}: this is a file; name a folder for the results.")
    here, there = Path(os.path.realpath(source)), Path(os.path.realpath(results))
    if _same(here, there):
        raise UsageError(f"{shown(results)}: this is the source itself; name another folder for the results.")
    if any(_same(here, parent) for parent in there.parents):
        raise UsageError(f"{shown(results)}: it lies inside the source; name a folder outside for the results.")
    if any(_same(there, parent) for parent in here.parents):
        raise UsageError(f"{shown(results)}: the source lies inside it; name a folder beside it for the results.")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one == other


def make_plan(
    source: Place, results: Place, outputs: tuple[Output, ...], choice: Choice, owners: dict[str, str] | None = None
) -> Plan:
    """Plan a batch.

    Where two results would get one name on a disk that does not tell upper from lower case, the photograph whose own
    name that is keeps it, or else the first; the others add the ending to their whole name: IMG_1.CR2 beside
    IMG_1.JPG becomes IMG_1.CR2.jpg. A name given in an earlier run stays with its photograph.

    Args:
        source, results: the folders.
        outputs: at least one; no two of one folder.
        owners: results that are there from earlier runs, each with its photograph.

    Raises:
        UsageError: the folders lie in one another, or two outputs share a folder.
    """
    check_folders(source, results)
    if len({os.path.normpath(output.folder or ".") for output in outputs}) != len(outputs):
        raise UsageError("two outputs have the same folder; give each one of its own.")
    found = listing(source)
    plan = Plan(_whole(source, os.path.realpath), _whole(results, os.path.abspath), outputs, left_out=found.left_out)
    if is_remote(results):
        plan.there = {file: (size, modified) for file, size, modified in listed(results)}
    chosen = list(_chosen(plan, found, choice))
    plan.unlisted = found.unlisted
    plan.jobs = list(_named(plan, found, chosen, owners or {}))
    _count_others(plan, found, choice, owners or {})
    return plan


def _whole(place: Place, whole: Callable[[Path], str]) -> Place:
    return place if is_remote(place) else Path(whole(place))


def _chosen(plan: Plan, found: Listing, choice: Choice) -> Iterator[tuple[Found, Look]]:
    for photograph in found.photographs:
        if against := choice.reason_against(photograph):
            plan.left_out[against] += 1
            continue
        look: Look | None = choice.look
        if choice.rules or choice.rating is not None:
            with ExitStack() as copies:
                names = (photograph.file, *sidecars_of(photograph.file, found.sidecars))
                shot_file, *beside = (copies.enter_context(fetched(plan.source / name)) for name in names)
                shot = read_shot(shot_file, beside)
            if choice.rating is not None and (shot.rating or 0) < choice.rating:
                plan.left_out[f"rated below {choice.rating}"] += 1
                continue
            look = decide(choice.rules, photograph.file, shot, choice.look)
        if look is None:
            plan.left_out["passed over by a rule"] += 1
        else:
            yield photograph, look


def sidecars_of(file: str, sidecars: dict[str, Found]) -> list[str]:
    """The sidecars of a photograph: IMG_1.CR2.xmp, and IMG_1.xmp as other programs have it."""
    stem = os.path.splitext(file)[0]  # noqa: PTH122
    names = dict.fromkeys(name + ending for name in (file, stem) for ending in (SIDECAR, SIDECAR.upper()))
    return [name for name in names if name in sidecars]


def _named(plan: Plan, found: Listing, chosen: list[tuple[Found, Look]], owners: dict[str, str]) -> Iterator[Job]:
    mine: dict[str, list[str]] = {}
    for target, file in owners.items():
        mine.setdefault(file, []).append(target)
    files = {photograph.file for photograph, _ in chosen}
    # An earlier run's names are kept; those of photographs that are gone since are still not another's.
    names = Names(target for target, file in owners.items() if file not in files)
    order = sorted(chosen, key=lambda pair: (pair[0].file not in mine, not _keeps_name(pair[0].file, plan.outputs)))
    targets: dict[str, tuple[str, ...]] = {}
    templates = [None if output.name is None else _Templated(output, names) for output in plan.outputs]
    for photograph, look in order:
        file, known = photograph.file, mine.get(photograph.file, ())
        targets[file] = tuple(
            _target(file, output, names, known)
            if named is None
            else named.target(plan.source / file, file, look, known)
            for output, named in zip(plan.outputs, templates, strict=True)
        )
    for photograph, look in chosen:
        yield Job(
            photograph,
            look,
            targets[photograph.file],
            tuple(_sidecar_copies(photograph.file, targets[photograph.file][0], found.sidecars, names)),
        )


def _keeps_name(file: str, outputs: tuple[Output, ...]) -> bool:
    own = os.path.splitext(file)[1]  # noqa: PTH122
    return all(output.name is not None or ending_for(file, output.format) == own for output in outputs)


def _target(file: str, output: Output, names: Names, mine: list[str] | tuple[str, ...]) -> str:
    ending = ending_for(file, output.format)
    wanted, otherwise = (
        os.path.normpath(os.path.join(output.folder, name))  # noqa: PTH118
        for name in (os.path.splitext(file)[0] + ending, file + ending)  # noqa: PTH122
    )
    return names.give(otherwise if otherwise in mine and wanted not in mine else wanted, otherwise)


class _Templated:
    """Names of one output by its template, in the folders that the photographs are in.

    A photograph keeps the number that it has from an earlier run; others get the next that is free.
    """

    def __init__(self, output: Output, names: Names) -> None:
        self._output, self._names = output, names
        self._template = Template(output.name or "")
        self._numbers: set[int] = set()
        self._next = 1

    def target(self, path: Place, file: str, look: Look, mine: list[str] | tuple[str, ...]) -> str:
        folder = os.path.normpath(os.path.join(self._output.folder, os.path.dirname(file)))  # noqa: PTH118, PTH120
        known = Path(path.path) if is_remote(path) else path
        subject = Subject(known, look.name, self._output.format, taken=partial(_taken, path))
        if self._template.uses("number"):
            subject = replace(subject, number=self._number(folder, subject, mine))
        wanted = os.path.normpath(os.path.join(folder, self._template.filled(subject)))  # noqa: PTH118
        return self._names.give(next((name for name in mine if is_of(name, wanted)), wanted), wanted)

    def _number(self, folder: str, subject: Subject, mine: list[str] | tuple[str, ...]) -> int:
        for name in mine:
            number = self._template.number_in(os.path.relpath(name, folder), subject)
            if number is not None and number not in self._numbers:
                break
        else:
            number = self._next
            while number in self._numbers:
                number += 1
            self._next = number
        self._numbers.add(number)
        return number


def _taken(place: Place) -> datetime:
    with fetched(place) as here:
        return taken(here)


def _sidecar_copies(file: str, target: str, sidecars: dict[str, Found], names: Names) -> Iterator[tuple[str, str]]:
    """A photograph's sidecars and their copies' names: beside the first output, the full one."""
    for name in sidecars_of(file, sidecars):
        ending = name[-len(SIDECAR) :]
        whole = target + ending
        yield name, names.give(whole if name == file + ending else os.path.splitext(target)[0] + ending, whole)  # noqa: PTH122


def _count_others(plan: Plan, found: Listing, choice: Choice, owners: dict[str, str]) -> None:
    """What is no photograph: copied if that is wanted and its name is free, else counted."""
    theirs = {name for photograph in found.photographs for name in sidecars_of(photograph.file, found.sidecars)}
    spare = [sidecar for name, sidecar in found.sidecars.items() if name not in theirs]
    names = Names([*(target for job in plan.jobs for target in job.written), *(t for t, f in owners.items() if t != f)])
    for other in sorted((*found.others, *spare), key=lambda other: other.file):
        if not choice.copy_others:
            plan.left_out["sidecars of no photograph" if other.file in found.sidecars else "no photographs"] += 1
        elif against := choice.reason_against(other):
            plan.left_out[against] += 1
        else:
            plan.jobs.append(Job(other, None, (names.give(other.file, other.file),)))


def too_long(job: Job) -> str | None:
    """The first name of a result that no disk would take."""
    return next((name for path in job.written if is_too_long(name := os.path.basename(path))), None)  # noqa: PTH119
