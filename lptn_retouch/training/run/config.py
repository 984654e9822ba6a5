"""A training run is described by one TOML file; this is what it may say."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.training.data.config import DataConfig, JitterConfig
from lptn_retouch.training.teachers.grade import Band, Grade
from lptn_retouch.training.teachers.transport import Care

RECIPES = ("pairs", "taught", "graded", "lut", "adversarial")
FORMS = ("graded", "released", "paper")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class LookConfig(Care):
    """How the look is taught. What stands before ``recipe`` is the teacher's care (:class:`Care`)."""

    recipe: str = ""  # pairs, taught, graded (by [grade]), lut or adversarial; "" for what lut and the folders suggest
    lut: str = ""  # a look-up table that is the teacher: a .cube file or a HaldCLUT
    adversarial: float = 0.0  # weight of a critic's opinion beside the taught loss
    adversarial_from: float = 0.5  # share of the steps after which the critic has a say
    greys: float = 0.0  # weight of a penalty on casts: what is grey before and in the target shall be in the result
    reconstruction: float = 1.0  # adversarial: weight of staying near the input
    penalty: float = 10.0  # adversarial: weight of the critic's gradient penalty

    @property
    def care(self) -> Care:
        """The teacher's part alone."""
        return Care(**{f.name: getattr(self, f.name) for f in fields(Care)})


@dataclass(frozen=True)
class ModelConfig:
    """Hyper-parameters of :class:`~lptn_retouch.model.graded.GradedLPTN`, or of the published network."""

    form: str = "graded"  # graded, released or paper
    width: int = 48
    blocks: int = 3
    mask_width: int = 16
    depth: int = 3  # released and paper: levels
    low_blocks: int = 5  # released and paper
    high_blocks: int = 3  # released and paper


@dataclass(frozen=True)
class OptimConfig:
    """How long, how fast, how many at a time."""

    steps: int = 2000
    grade_steps: int = 0  # pairs: of the grade, learnt first and alone, on thumbnails; 0: together with the rest
    gate_steps: int = 1500  # of the gate, where there are pictures to be left alone; it is learnt first
    batch: int = 16  # over all processes
    rate: float = 1e-3  # at the start; it falls to nothing along a cosine
    decay: float = 1e-3  # AdamW weight decay
    average: float = 0.998  # of the moving average of the weights that is evaluated and shipped
    seed: int = 0
    start: str = ""  # a run's weights.pt or a preset to go on from; "" starts from nothing
    save_every: int = 100  # steps between checkpoints
    evaluate_every: int = 500  # steps between evaluations on the held-out pictures
    patience: int = 0  # evaluations without a better figure after which a run stops by itself; 0 for never
    sheet_every: int = 500  # steps between before/after sheets; 0 for none
    threads: int = 0  # CPU threads, 0 for torch's own choice
    precision: str = "auto"  # float32, bfloat16, or auto: bfloat16 on GPUs


@dataclass(frozen=True)
class PresetConfig:
    """What the preset's header will say."""

    name: str = "mylook"
    summary: str = ""
    training_data: str = ""
    licence: str = ""
    alters: str = ""  # "season" or "light", if the look shows another than there was: marks results as altered


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Read it with :func:`read_config`."""

    data: DataConfig = field(default_factory=DataConfig)
    look: LookConfig = field(default_factory=LookConfig)
    grade: Grade = field(default_factory=Grade)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    jitter: JitterConfig = field(default_factory=JitterConfig)
    preset: PresetConfig = field(default_factory=PresetConfig)

    @property
    def recipe(self) -> str:
        """The recipe, as written or as the table and the folders suggest."""
        return self.look.recipe or ("lut" if self.look.lut else "taught" if self.data.source else "pairs")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_SECTIONS = {
    "data": DataConfig,
    "look": LookConfig,
    "grade": Grade,
    "model": ModelConfig,
    "optim": OptimConfig,
    "jitter": JitterConfig,
    "preset": PresetConfig,
}
_PATHS: tuple[str, ...] = ("train", "validate", "leave_out", "before", "after", "style", "keep", "validate_source")
_PATHS += ("table", "table_root")
_FOLDERS = ("source", "practice", "still")
_SIGNED = ("exposure", "warmth", "tint")  # all other numbers are 0 or more
_POSITIVE = ("pixels", "steps", "gate_steps", "batch", "save_every", "evaluate_every", "width", "mask_width", "depth")
_CHOICES = {("look", "recipe"): ("", *RECIPES), ("model", "form"): FORMS, ("optim", "precision"): PRECISIONS}


def read_config(path: Path) -> TrainConfig:
    """Read a run's TOML file; paths in it are relative to the file.

    Raises:
        TrainingError: the file is missing, is not TOML, holds an unknown name or a value of the wrong type, or names
            no folders that fit together.
    """
    try:
        written = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TrainingError(f"{shown(path)}: {error.strerror}; name a TOML file that describes the run.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{shown(path)}: this is not a TOML file ({error}); mend that line.") from None
    config = config_from_dict(written, shown(path))

    def from_here(name: str) -> str:
        return str((path.parent / name).resolve()) if name else ""

    found: dict[str, Any] = {name: from_here(getattr(config.data, name)) for name in _PATHS}
    found |= {name: tuple(from_here(folder) for folder in getattr(config.data, name)) for name in _FOLDERS}
    return replace(
        config,
        data=replace(config.data, **found),
        look=replace(config.look, lut=from_here(config.look.lut)),
        optim=replace(config.optim, start=from_here(config.optim.start)),
    )


def config_from_dict(written: dict[str, Any], where: str) -> TrainConfig:
    """Build a config from a parsed TOML file, refusing names and types that mean nothing."""
    sections: dict[str, Any] = {}
    for section, values in written.items():
        if section not in _SECTIONS or not isinstance(values, dict):
            raise TrainingError(f"{where}: unknown section [{section}]; there are {', '.join(_SECTIONS)}.")
        defaults = vars(_SECTIONS[section]())
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in defaults:
                raise TrainingError(f"{where}: [{section}] has no {name!r}; it has {', '.join(defaults)}.")
            if name == "bands":
                checked[name] = tuple(_band(table, where) for table in _listed(value))
                continue
            checked[name] = _typed(value, type(defaults[name]), f"{where}: [{section}] {name}")
            _check_range(section, name, checked[name], where)
        sections[section] = _SECTIONS[section](**checked)
    return TrainConfig(**sections)


def _typed(value: Any, kind: type, what: str) -> Any:
    """A value as the type that a name has: an integer may stand for a float, and one text for a list."""
    if kind is tuple:
        value = _listed(value)
        if not all(type(one) is str for one in value):
            raise TrainingError(f"{what} is a text or a list of texts, not {value!r}.")
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise TrainingError(f"{what} is a {kind.__name__}, not {value!r}.")
    return value


def _check_range(section: str, name: str, value: Any, where: str) -> None:
    what = f"{where}: [{section}] {name}"
    if type(value) in (int, float) and value < 0 and name not in _SIGNED:
        raise TrainingError(f"{what} is 0 or more, not {value!r}.")
    if name in _POSITIVE and value < 1:
        raise TrainingError(f"{what} is 1 or more, not {value!r}.")
    if value not in _CHOICES.get((section, name), (value,)):
        choices = ", ".join(_CHOICES[section, name]).removeprefix(", ")
        raise TrainingError(f"{what} is one of {choices}, not {value!r}.")


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _band(table: Any, where: str) -> Band:
    known = [f.name for f in fields(Band)]
    if not isinstance(table, dict) or not set(table) <= set(known) or "hue" not in table:
        raise TrainingError(f"{where}: a band of [grade] has a hue, and may have {', '.join(known[1:])}; mend it.")
    if not all(type(value) in (int, float) for value in table.values()):
        raise TrainingError(f"{where}: what a band of [grade] says are numbers; mend it.")
    return Band(**{name: float(value) for name, value in table.items()})
