"""From a config to lessons: which pictures a run learns from, and on which it is validated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.files import write_atomically
from lptn_retouch.model.form import CURVE
from lptn_retouch.model.glance import Glance
from lptn_retouch.training.data.config import DataConfig, JitterConfig
from lptn_retouch.training.data.pair_check import check_pairs, say_unmatched
from lptn_retouch.training.data.pairs import PairSet, find_pairs
from lptn_retouch.training.data.pictures import ALL, FEWEST, Album, list_pictures
from lptn_retouch.training.data.still import Still, drawn, read_table
from lptn_retouch.training.run.config import TrainConfig
from lptn_retouch.training.run.gate import fit_gate
from lptn_retouch.training.run.grade import fit_grade
from lptn_retouch.training.run.learner import needs_critic
from lptn_retouch.training.teachers.grade import GradeTeacher
from lptn_retouch.training.teachers.taught import TaughtSet, itself, load_teacher, of_table, save_teacher
from lptn_retouch.training.teachers.transport import fit_teacher

TEACHER = "teacher.pt"
GATE = "gate.pt"
GRADE = "grade.pt"
Entry = TypeVar("Entry")
Say = Callable[[str], None]


class Lessons(Protocol):
    """What a run draws its batches from."""

    def __len__(self) -> int: ...

    def batch(
        self, size: int, config: DataConfig, jitter: JitterConfig, seed: int, rows: slice = ALL
    ) -> tuple[Tensor, Tensor]:
        """Inputs and targets, the rows wanted of (size, 3, h, w) in [0, 1]; the same for the same seed."""
        ...


@dataclass(frozen=True)
class Course:
    """What a run learns from, and what it is validated on.

    Args:
        lessons: inputs and targets.
        validation_set: held-out pictures with their targets, (1, 3, h, w) each.
        picks_best: whether the figure on them says which weights are best.
        style: real pictures for a critic.
        files: all that was read, by what it was read for; the manifest lists them.
        gate: what decides which pictures get the look; None for all.
        grade: learnt already, and not to be moved; None to learn it with the rest.
    """

    lessons: Lessons
    validation_set: list[tuple[Tensor, Tensor]]
    picks_best: bool
    style: Album | None
    files: dict[str, list[Path]]
    gate: Glance | None = None
    grade: Glance | None = None

    def draw_style(self, size: int, data: DataConfig, seed: int) -> Tensor | None:
        """Real pictures of the style, (size, 3, h, w), where there is a critic."""
        if self.style is None:
            return None
        return self.style.draw(size, data.smallest, torch.Generator().manual_seed(seed + 1))[:, 0]


def prepare(config: TrainConfig, run: Path, say: Say) -> Course:
    """Read a run's pictures; fit its teacher, or reload it from the run folder.

    Raises:
        TrainingError: folders are missing, empty, without common names, or hold fewer than eight pictures.
        PhotoError: a picture cannot be read.
    """
    if bool(config.look.lut) is not (config.recipe == "lut"):
        raise TrainingError("[look] lut names a table, and the recipe 'lut' learns from it; write both or neither.")
    return _pairs(config, run, say) if config.recipe == "pairs" else _unpaired(config, run, say)


def _pairs(config: TrainConfig, run: Path, say: Say) -> Course:
    data = config.data
    if data.train:
        folders = Path(data.train) / "input", Path(data.train) / "target"
    elif data.before and data.after:
        folders = Path(data.before), Path(data.after)
    else:
        raise TrainingError(
            "there are no pictures to learn from; name [data] train, or before and after, or source and style."
        )
    pairs = _matched(*folders, data, say, leave_out=data.leave_out)
    further = Path(data.validate) if data.validate else None
    held_out = _matched(further / "input", further / "target", data, say) if further else None
    learnt, held = _parted(pairs, held_out, data)
    say(f"reading {len(learnt)} pairs to learn from and {len(held)} held out")
    lessons = PairSet.load(learnt, data)
    say(f"pairs: {lessons.album}")
    files = {"before": learnt, "after": learnt, "held out before": held, "held out after": held}
    listed = {what: [pair[what.endswith("after")] for pair in pairs] for what, pairs in files.items()}
    validation_set = PairSet.load(held, data).examples()
    return Course(lessons, validation_set, True, None, listed, grade=_grade(config, run, lessons.album, say))


def _grade(config: TrainConfig, run: Path, pairs: Album, say: Say) -> Glance | None:
    """The grade, where it is learnt first, from the run folder if it is there."""
    if not config.optim.grade_steps or config.model.form != "graded":
        return None
    if not (run / GRADE).exists():
        _save(run / GRADE, fit_grade(pairs, config, say))
    return _saved(run / GRADE, Glance(CURVE))


def _unpaired(config: TrainConfig, run: Path, say: Say) -> Course:
    data = config.data
    graded = config.recipe in ("graded", "lut")
    if not data.source or not (data.style or graded):
        needs = "pictures; name [data] source" if graded else "two folders; name [data] source and style"
        raise TrainingError(f"the recipe {config.recipe!r} needs {needs}.")
    held_out = list_pictures(Path(data.validate_source)) if data.validate_source else None
    learnt, held = _parted(_all_of(data.source), held_out, data)
    style = [] if graded else kept(list_pictures(Path(data.style)), Path(data.keep) if data.keep else None)
    if not graded:
        _enough(style, "style pictures")
    practice, wanted = _all_of(data.practice), _of_kinds(data, data.wanted)
    further = [file for files in wanted.values() for file in files]
    say(f"reading {len(learnt)} source pictures, {len(held)} held out, and {len(style)} style pictures")
    album, styles = (Album.load([(file,) for file in files], data.pixels) for files in (learnt, style))
    say(f"source: {album}")
    teacher = _teacher(config, run, album, styles, say)
    if practice or further:
        say(f"and {len(practice) + len(further)} pictures to practise on")
        album = Album.load([(file,) for file in (*learnt, *further, *practice)], data.pixels)
    validation_set = TaughtSet(Album.load([(file,) for file in held], data.pixels), teacher).examples()
    gate, alone = _gate(config, run, [*learnt, *further], say) if data.leaves_alone else (None, [])
    return Course(
        TaughtSet(album, teacher),
        validation_set,
        picks_best=config.recipe != "adversarial",
        style=styles if needs_critic(config) else None,
        files={"source": learnt, "held out": held, "style": style, "practice": practice + further, "left alone": alone}
        | ({"table": [Path(config.look.lut)]} if config.look.lut else {}),
        gate=gate,
    )


def _gate(config: TrainConfig, run: Path, meant: list[Path], say: Say) -> tuple[Glance, list[Path]]:
    """What decides that the look acts on such pictures as are meant, and the files of those where it shall not."""
    data, file = config.data, run / GATE
    own = _all_of(data.still)
    kinds = _of_kinds(data, data.kinds)
    others = [picture for pictures in kinds.values() for picture in pictures]
    if not file.exists():
        say(f"reading {len(own)} and {len(others)} pictures to be left alone")
        style = Album.load([(picture,) for picture in own], data.pixels) if own else None
        albums = [Album.load([(picture,) for picture in pictures], data.pixels) for pictures in kinds.values()]
        still = Still(style, [*albums, *drawn(data.pixels)] if kinds else [])
        wanted = Album.load([(picture,) for picture in meant], data.pixels)
        gate = fit_gate(wanted, still, seed=config.optim.seed, steps=config.optim.gate_steps, say=say)
        _save(file, gate)
    return _saved(file, Glance(1)), own + others


def _save(file: Path, glance: Glance) -> None:
    write_atomically(file, lambda stream: torch.save(glance.state_dict(), stream))


def _saved(file: Path, glance: Glance) -> Glance:
    glance.load_state_dict(torch.load(file, weights_only=True))
    return glance.eval().requires_grad_(requires_grad=False)


def _of_kinds(data: DataConfig, kinds: tuple[str, ...]) -> dict[str, list[Path]]:
    if kinds and not data.table:
        raise TrainingError("[data] kinds and wanted are those of a table; name it as [data] table.")
    return read_table(Path(data.table), Path(data.table_root), kinds) if kinds else {}


def _all_of(folders: tuple[str, ...]) -> list[Path]:
    return [file for folder in folders for file in list_pictures(Path(folder))]


def _teacher(config: TrainConfig, run: Path, source: Album, style: Album, say: Say) -> Callable[[Tensor], Tensor]:
    """Who teaches by a recipe; a colour transport from the run folder if it is there."""
    if config.recipe == "adversarial":
        return itself
    if config.recipe == "lut":
        return of_table(Path(config.look.lut))
    if config.recipe == "graded":
        return GradeTeacher(config.grade)
    file, care = run / TEACHER, config.look.care
    if not file.exists():
        save_teacher(fit_teacher(source.entries(), style.entries(), care, seed=config.optim.seed, say=say), file)
    return load_teacher(file, care)


def kept(pictures: list[Path], names: Path | None) -> list[Path]:
    """The pictures that a text file names, a line each; all without one."""
    if names is None:
        return pictures
    wanted = names_in(names, {p.name for p in pictures}, "which is not in the style folder")
    return [p for p in pictures if p.name in wanted]


def _matched(before: Path, after: Path, data: DataConfig, say: Say, leave_out: str = "") -> list[tuple[Path, Path]]:
    """The pairs of two folders that lie on each other; what is left out is said, but for what a list leaves out."""
    pairs = find_pairs(before, after)
    say_unmatched(before, after, say)
    if leave_out:
        out = names_in(Path(leave_out), {file.name for file, _ in pairs}, "which is none of the pairs")
        pairs = [pair for pair in pairs if pair[0].name not in out]
    if not data.check:
        return pairs
    say(f"checking {len(pairs)} pairs: turned, cropped, unlike or equal ones are left out")
    return check_pairs(pairs, data.pixels, say)


def names_in(file: Path, known: set[str], otherwise: str) -> set[str]:
    """The names in a text file, a line each; lines that begin with # are none. All are to be known ones."""
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise TrainingError(f"{shown(file)}: cannot be read; name a text file with a file name a line.") from None
    names = {line for line in lines if line and not line.startswith("#")}
    if missing := sorted(names - known):
        raise TrainingError(f"{shown(file)} names {shown(missing[0])}, {otherwise}; mend the line.")
    return names


def _parted(entries: list[Entry], held: list[Entry] | None, data: DataConfig) -> tuple[list[Entry], list[Entry]]:
    """What to learn from and what to hold out: the entries given, or every tenth."""
    _enough(entries, "pictures")
    if held is not None or not data.hold_out:
        return entries, held or []
    return [e for i, e in enumerate(entries) if i % data.hold_out], entries[:: data.hold_out]


def _enough(entries: list[Entry], what: str) -> None:
    if len(entries) < FEWEST:
        raise TrainingError(f"there are {len(entries)} {what}; a look needs {FEWEST} at least, better thirty and more.")
