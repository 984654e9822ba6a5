"""The network that a config describes, and the weights it starts from."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.model.checkpoint import Network, as_tensors, read_published
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import LPTN, load_checked
from lptn_retouch.model.weights import read_safetensors
from lptn_retouch.training.run.config import ModelConfig

_PUBLISHED = ("depth", "low_blocks", "high_blocks")  # what only the published network has


def build(config: ModelConfig, start: str = "") -> Network:
    """Build the network, from nothing or from a run's ``weights.pt`` or a preset.

    Example:
        >>> type(build(ModelConfig(form="released", low_blocks=1))).__name__
        'LPTN'
    """
    own = {name: value for name, value in vars(config).items() if name != "form"}
    net: Network
    if config.form == "graded":
        net = GradedLPTN(**{name: value for name, value in own.items() if name not in _PUBLISHED})
    else:
        published = {name: own[name] for name in _PUBLISHED}
        try:
            net = LPTN(**published, form="paper" if config.form == "paper" else "released")
        except ValueError as error:
            raise TrainingError(f"[model] depth: {error}.") from None
    if start:
        load_checked(net, _start_weights(Path(start)))
    return net


def _start_weights(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise TrainingError(
            f"{shown(file)}: no such file; [optim] start names a run's weights.pt or a .safetensors preset."
        )
    return as_tensors(read_safetensors(file)[0]) if file.suffix == ".safetensors" else read_published(file)
