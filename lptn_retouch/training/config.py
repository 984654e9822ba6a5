"""A training run is described by one TOML file; this is what it may say."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lptn_retouch.errors import TrainingError


@dataclass(frozen=True)
class DataConfig:
    """Folders with an ``input`` and a ``target`` folder in each; pairs share a file name."""

    train: str = ""
    validate: str = ""
    pixels: int = 46_000  # area that every picture is brought to in memory, px
    smallest: float = 0.6  # a step's pictures are scaled by a factor between this and 1


@dataclass(frozen=True)
class ModelConfig:
    """Hyper-parameters of :class:`lptn_retouch.model.graded.GradedLPTN`."""

    width: int = 48
    blocks: int = 3
    mask_width: int = 16


@dataclass(frozen=True)
class OptimConfig:
    """How long, how fast, how many at a time."""

    steps: int = 2000
    batch: int = 16
    rate: float = 1e-3  # at the start; it falls to nothing along a cosine
    decay: float = 1e-3  # AdamW weight decay
    average: float = 0.998  # of the moving average of the weights that is evaluated and shipped
    seed: int = 0
    start: str = ""  # a run's weights.pt or a preset to go on from; "" starts from nothing
    save_every: int = 100  # steps between checkpoints
    evaluate_every: int = 500  # steps between evaluations on the validation pairs
    threads: int = 0  # CPU threads, 0 for torch's own choice


@dataclass(frozen=True)
class JitterConfig:
    """Random changes of the pairs. ``both`` teaches the same retouch from another start; ``input`` teaches recovery."""

    both: float = 0.5  # share of pairs whose two pictures get the same exposure, balance and contrast
    input: float = 0.0  # share of pairs whose input alone is darkened, tinted or flattened; see docs/training.md
    strength: float = 1.0  # scales all of them


@dataclass(frozen=True)
class PresetConfig:
    """What the preset's header will say."""

    name: str = "mylook"
    summary: str = ""
    training_data: str = ""
    licence: str = ""


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Read it with :func:`read_config`."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    jitter: JitterConfig = field(default_factory=JitterConfig)
    preset: PresetConfig = field(default_factory=PresetConfig)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_SECTIONS = {
    "data": DataConfig,
    "model": ModelConfig,
    "optim": OptimConfig,
    "jitter": JitterConfig,
    "preset": PresetConfig,
}


def read_config(path: Path) -> TrainConfig:
    """Read a run's TOML file; paths in it are relative to the file.

    Raises:
        TrainingError: the file is missing, is not TOML, or holds an unknown name or a value of the wrong type.
    """
    try:
        written = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror}; name a TOML file that describes the run.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: this is not a TOML file ({error}); mend that line.") from None
    config = config_from_dict(written, str(path))

    def from_here(name: str) -> str:
        return str((path.parent / name).resolve()) if name else ""

    data = replace(config.data, train=from_here(config.data.train), validate=from_here(config.data.validate))
    return replace(config, data=data, optim=replace(config.optim, start=from_here(config.optim.start)))


def config_from_dict(written: dict[str, Any], where: str) -> TrainConfig:
    """Build a config from a parsed TOML file, refusing names and types that mean nothing."""
    sections: dict[str, Any] = {}
    for section, values in written.items():
        if section not in _SECTIONS or not isinstance(values, dict):
            raise TrainingError(f"{where}: unknown section [{section}]; there are {', '.join(_SECTIONS)}.")
        known = {f.name: f for f in fields(_SECTIONS[section])}
        defaults = _SECTIONS[section]()
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise TrainingError(f"{where}: [{section}] has no {name!r}; it has {', '.join(known)}.")
            kind = type(getattr(defaults, name))
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind:
                raise TrainingError(f"{where}: [{section}] {name} is a {kind.__name__}, not {value!r}.")
            if kind in (int, float) and value < 0:
                raise TrainingError(f"{where}: [{section}] {name} is 0 or more, not {value!r}.")
            checked[name] = value
        sections[section] = _SECTIONS[section](**checked)
    return TrainConfig(**sections)
