"""A folder of photographs into a folder of results: planned, done on all cores, and gone on with after any end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lptn_retouch.batch.forecast import check_space
from lptn_retouch.batch.journal import FOLDER, Journal, Past, Record, now
from lptn_retouch.batch.needs import Needs, hashes_of
from lptn_retouch.batch.options import Settings
from lptn_retouch.batch.photograph import prepare, thumbnails_of
from lptn_retouch.batch.plan import Job, Plan, check_folders, make_plan, too_long
from lptn_retouch.batch.runner import Runner, runner_for
from lptn_retouch.batch.settings import Look, recipe_of
from lptn_retouch.batch.standing import Standing, new_targets, standing
from lptn_retouch.batch.storage import Place, in_one_process, is_remote, named, state_folder
from lptn_retouch.batch.thumbnails import Thumbnails
from lptn_retouch.batch.work import Ended, Result, Work, failed, skipped
from lptn_retouch.errors import (
    LptnRetouchError,
    PresetError,
    UnreadablePhotoError,
    UnwritablePhotoError,
    shown,
)
from lptn_retouch.stack import Step

if TYPE_CHECKING:
    from lptn_retouch.batch.report import Entry


class Batch:
    """A batch that is ready to be run: planned, and its journal held.

    Args:
        source: the folder of photographs.
        results: the folder for the results; it is made.
        settings: how.
        dry: only to look and to try: nothing is made or written there, and no other batch is in the way.

    Raises:
        UsageError: the folders lie in one another, another batch is at work, a preset or an argument is wrong.
        PresetError: a preset cannot be used.
        UnwritablePhotoError: nothing can be written there.
    """

    def __init__(self, source: Place, results: Place, settings: Settings, *, dry: bool = False) -> None:
        check_folders(source, results)
        self.settings = settings
        self._share = settings.shares()[2] if settings.engine == "local" else None
        self.started = datetime.now().astimezone()
        self.stopping = threading.Event()
        self._prepared: set[tuple[Step, ...]] = set()
        self._fresh: set[str] = set()  # files that came to an end in this run
        self._exits = ExitStack()
        with self._exits:
            here = named(source) if is_remote(source) else os.path.realpath(source)
            self._state = state_folder(results)
            if dry:
                self.past = Past(self._state, here)
            else:
                hashes_of(settings.choice.look)  # a preset that is not there is told before anything is made
                _make(self._state)
                self.journal = self._exits.enter_context(Journal(self._state, here))
                self.past = self.journal.past
            self.thumbnails = Thumbnails(self._state / FOLDER) if settings.thumbnails and not dry else None
            self._source, self._results = source, results
            self.plan = self._planned()
            self._hashes = {look: hashes_of(look) for look in self._looks()}
            torch = any(_needs_torch(look, settings.device) for look in self._looks())
            alone = in_one_process(source, results)
            self._runner = self._exits.enter_context(
                runner_for(settings, self._needs, torch=torch, in_one_process=alone)
            )
            self._open = self._exits.pop_all()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._open.__exit__(kind, error, trace)

    def stop(self) -> None:
        """Take up no further photograph: :meth:`run` ends when those in work have. From any thread or a signal."""
        self.stopping.set()

    @property
    def workers(self) -> int:
        """Photographs in work at once."""
        return self._runner.workers

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self.stopping.is_set()

    def look_again(self) -> Plan:
        """Plan anew: files may have come or changed since."""
        self.plan = self._planned()
        self._hashes |= {look: hashes_of(look) for look in self._looks() if look not in self._hashes}
        return self.plan

    def to_do(self, jobs: list[Job] | None = None) -> tuple[list[Job], list[tuple[Job, Record]], list[tuple[Job, str]]]:
        """What there is to do, what is done already as the journal has it, and what is refused and why.

        Args:
            jobs: of the plan; None for all.
        """
        to_do, done, refused = [], [], []
        for job in self.plan.jobs if jobs is None else jobs:
            here = self._standing(job)
            if here.refusal is not None:
                refused.append((job, here.refusal))
            elif here.record is not None:
                done.append((job, here.record))
            else:
                to_do.append(job)
        return to_do, done, refused

    def run(self, jobs: list[Job] | None = None) -> Iterator[Result]:
        """Do what there is to do.

        Args:
            jobs: of the plan; None for all.

        Yields:
            A result for each file, in the order they end: those that are skipped first.

        Raises:
            UnwritablePhotoError: the disk is full or gone; what is done so far is whole and on record.
            UnreadablePhotoError: the source is gone.
        """
        to_do, done, refused = self.to_do(jobs)
        check_space(self, to_do)
        for folder, sentence in self.plan.unlisted.items() if jobs is None else ():
            yield Result(folder, "failed", self.plan.source / folder, reason=sentence)
        for job, sentence in refused:
            work = self.work(job)
            if work.skip:
                yield skipped(work, sentence)
            else:
                result = failed(work, sentence)
                self._ended([(work, result)])
                yield result
        for job, record in done:
            if self.stopped:  # small pictures for the report may have to be made of each
                return
            yield self._skipped(job, self.work(job), record)
        if not to_do:
            return
        waiting = [self.work(job) for job in to_do]
        self._clear_leftovers(waiting)
        self._prepare(waiting)
        alone: list[Work] = []
        yield from self._through(self._runner, waiting, alone)
        if alone and not self.stopped:
            # What a first try has written before it was killed is its own.
            whole = [replace(work, memory=self.settings.memory_limit, new=frozenset()) for work in alone]
            with self._runner.alone() as runner:
                yield from self._through(runner, whole, None)

    def try_out(self, works: list[Work]) -> list[Result]:
        """Do some work that no journal is kept of; results in order."""
        self._prepare(works)
        return [self._runner.do(work) for work in works]

    def _prepare(self, works: list[Work]) -> None:
        for look in dict.fromkeys(work.look for work in works if work.look is not None):
            if look.steps not in self._prepared:
                self._prepared.add(look.steps)
                self._runner.call(prepare, look, self.settings.device)

    def _through(self, runner: Runner, works: list[Work], alone: list[Work] | None) -> Iterator[Result]:
        """Run work; what turns out too large for its share of the memory is put off, if there is a list for it."""
        trouble: list[LptnRetouchError] = []
        put_off = alone if self.workers > 1 else None  # where there is one worker, each has been alone

        def end(ended: Sequence[Ended]) -> None:
            recorded = []
            for work, result in ended:
                if result.alone and put_off is not None:
                    put_off.append(work)
                    continue
                if result.outcome == "failed" and (cause := self._cause_to_stop(work, result)):
                    trouble.append(cause)
                recorded.append((work, result))
            if recorded:
                self._ended(recorded)

        for result in runner.run(works, self._begun, end, lambda: self.stopped or bool(trouble)):
            if not result.alone or put_off is None:
                yield result
        if trouble:
            raise trouble[0]

    def _cause_to_stop(self, work: Work, result: Result) -> LptnRetouchError | None:
        """What would make all others fail as well."""
        if result.stops:
            return UnwritablePhotoError(
                f"stopped, since the disk of the results is full or gone ({shown(str(self.plan.results))}); free some "
                "space and run the same again, which goes on."
            )
        source = self.plan.source
        if not is_remote(source) and not work.source.exists() and not _has_content(source):
            return UnreadablePhotoError(
                f"stopped, since {shown(source)} is gone; connect it and run the same again, which goes on."
            )
        return None

    def _planned(self) -> Plan:
        return make_plan(self._source, self._results, self.settings.outputs, self.settings.choice, self.past.claims)

    def _needs(self) -> Needs:
        """What a machine must have; by its journal a folder is known for this one, and not another of its name."""
        places = (self.plan.source, self.plan.results / FOLDER)
        folders = tuple(place for place in places if not is_remote(place) and place.is_dir())
        return Needs(folders, tuple(filter(is_remote, places)), tuple(self._hashes.items()))

    def _looks(self) -> list[Look]:
        return list(dict.fromkeys(job.look for job in self.plan.jobs if job.look is not None))

    def _recipe(self, job: Job) -> dict[str, Any]:
        if job.look is None:
            return {}
        return recipe_of(job.look, self._hashes[job.look], self.plan.outputs)

    def _standing(self, job: Job) -> Standing:
        if name := too_long(job):
            return Standing(refusal=f"{shown(name)}: this name of a result is too long; give the photograph a shorter.")
        return standing(
            job,
            self.plan,
            self._recipe(job),
            self.past,
            check=self.settings.check,
            overwrite=self.settings.overwrite,
            again=self.settings.again,
        )

    def work(self, job: Job) -> Work:
        """A job as it is given to a process."""
        return Work(
            job.found.file,
            self.plan.source / job.found.file,
            job.look,
            self.plan.outputs,
            tuple(self.plan.results / target for target in job.targets),
            tuple((self.plan.source / source, self.plan.results / target) for source, target in job.sidecars),
            self.settings.device,
            self._share,
            self.settings.thumbnails,
            frozenset(
                self.plan.results / target for target in new_targets(job, self.past, overwrite=self.settings.overwrite)
            ),
            self.settings.skip,
            self.settings.again,
            job.found.size,
        )

    def _begun(self, works: Sequence[Work]) -> None:
        claims = [(work, [{"file": file} for file in self._files(work)]) for work in works]
        self.journal.append(*({"file": work.file, "outcome": "begun", "outputs": files} for work, files in claims))

    def _files(self, work: Work) -> list[str]:
        return [self._file(path) for path in work.written]

    def _file(self, place: Place) -> str:
        """A result by its path from the folder of results."""
        results = self.plan.results
        if isinstance(place, Path) and isinstance(results, Path):
            return os.path.relpath(place, results)
        return str(place).removeprefix(f"{results}/")

    def _ended(self, ended: Sequence[Ended]) -> None:
        """Write what became of photographs into the journal."""
        self.journal.append(*(self._record(work, result) for work, result in ended))
        for work, result in ended:
            self._fresh.add(work.file)
            if self.thumbnails is not None:
                self.thumbnails.put(work.file, result.before, result.after)

    def _record(self, work: Work, result: Result) -> Record:
        record: Record = result.to_json()
        del record["source"]
        job = self.plan.by_file[work.file]
        record |= {
            "outputs": [
                {"file": file, **{key: value for key, value in described.items() if key != "path"}}
                for file, described in zip(self._files(work), result.files, strict=False)
            ],
            "source": {"size": job.found.size, "modified": job.found.modified, "sha256": result.source_sha256},
            "recipe": self._recipe(job),
            "at": now(),
        }
        if result.is_result:
            record["is_result"] = True
        if result.unwritten:
            record["unwritten"] = [self._file(path) for path in result.unwritten]
        return record

    def _skipped(self, job: Job, work: Work, record: Record) -> Result:
        """The result of a photograph that was done before, as it was then."""
        if record["outcome"] == "skipped":
            return skipped(work, record["reason"], is_result=True)
        look = job.look or Look("")
        if self.thumbnails is not None and job.look is not None and not self.thumbnails.has(job.found.file):
            with suppress(LptnRetouchError):  # a decoder died of it: the report can do without
                self.thumbnails.put(work.file, *self._runner.call(thumbnails_of, work.source, work.targets[0]))
        return Result(
            work.file,
            "skipped",
            work.source,
            work.written,
            look.name,
            look.amount,
            look.detail,
            notices=tuple(record.get("notices", ())),
            metadata=dict(record.get("metadata", {})),
            megapixels=float(record.get("megapixels", 0)),
            source_sha256=str(record.get("source", {}).get("sha256", "")),
        )

    def report(self, page: Path) -> None:
        """Write the report of all files of the plan; see :mod:`lptn_retouch.batch.report`.

        Raises:
            UnwritablePhotoError: nothing can be written there.
        """
        from lptn_retouch.batch.report import Summary, write_report
        from lptn_retouch.files import remove_leftovers

        remove_leftovers(page.parent)
        seconds = (datetime.now().astimezone() - self.started).total_seconds()
        title = f"{self.plan.source.name or 'Photographs'}, retouched"
        summary = Summary(self.started, seconds, self.plan.left_out.total())
        write_report(page, self._entries(), title=title, summary=summary)

    def _entries(self) -> Iterator[Entry]:
        from lptn_retouch.batch.report import Entry

        for job in self.plan.jobs:
            if record := self.past.of(job.found.file):
                before, after = self.thumbnails.of(job.found.file) if self.thumbnails is not None else (None, None)
                yield Entry(
                    job.found.file.replace(os.sep, "/"),
                    record["outcome"] if job.found.file in self._fresh else "skipped",
                    record["preset"],
                    record["amount"],
                    record["detail"],
                    tuple(str(self.plan.results / output["file"]) for output in record["outputs"]),
                    str(self.plan.source / job.found.file),
                    record["reason"],
                    tuple(record["notices"]),
                    record["seconds"],
                    record["megapixels"],
                    before,
                    after,
                )

    def _clear_leftovers(self, works: list[Work]) -> None:
        """Remove what a batch that was killed has left half written."""
        from lptn_retouch.batch import storage
        from lptn_retouch.files import remove_leftovers

        if is_remote(self.plan.results):
            storage.remove_leftovers(self.plan.results, self.plan.there)
        for folder in {path.parent for work in works for path in work.targets}:
            if isinstance(folder, Path) and folder.is_dir():
                remove_leftovers(folder)


def _needs_torch(look: Look, device: str) -> bool:
    """As far as can be told without loading the preset."""
    from lptn_retouch.engine.choose import needs_torch
    from lptn_retouch.preset import find_preset, read_header

    with suppress(PresetError):  # told when it is loaded
        headers = [read_header(find_preset(preset)) for preset, _ in look.steps]
        return any(needs_torch(header["architecture"], device) for header in headers)
    return False


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritablePhotoError(
            f"{shown(folder)}: it cannot be made ({error.strerror}); name another folder for the results."
        ) from error


def _has_content(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except OSError:
        return False
