"""The two usual runs without a TOML file: pairs by name, or two folders that share no scene; minutes on two cores."""

from __future__ import annotations

from pathlib import Path

from lptn_retouch.training.data.config import DataConfig, JitterConfig
from lptn_retouch.training.run.config import OptimConfig, PresetConfig, TrainConfig


def from_pairs(
    before: Path, after: Path, name: str, *, steps: int | None = None, seed: int = 0, check: bool = True
) -> TrainConfig:
    """A run for 30 to 300 pairs: short, and with strong decay, for so few are soon known by heart.

    Example:
        >>> from_pairs(Path("before"), Path("after"), "mylook").recipe
        'pairs'
    """
    data = DataConfig(before=str(before.resolve()), after=str(after.resolve()), pixels=30_000, check=check)
    return TrainConfig(data, optim=_optim(steps or 800, seed), jitter=JitterConfig(both=0.5), preset=PresetConfig(name))


def from_folders(source: Path, style: Path, name: str, *, steps: int | None = None, seed: int = 0) -> TrainConfig:
    """A run for two folders: pictures as they are, and pictures as they shall look.

    Example:
        >>> from_folders(Path("summer"), Path("winter"), "winter").recipe
        'taught'
    """
    data = DataConfig(source=(str(source.resolve()),), style=str(style.resolve()), pixels=30_000)
    return TrainConfig(data, optim=_optim(steps or 800, seed), jitter=JitterConfig(both=0.6), preset=PresetConfig(name))


def _optim(steps: int, seed: int) -> OptimConfig:
    return OptimConfig(
        steps=steps,
        batch=8,
        decay=1e-2,
        average=0.99,
        seed=seed,
        save_every=50,
        evaluate_every=100,
        sheet_every=200,
        patience=3,
    )
