"""A classifier: a small network that says which of several sets of photographs a picture could be from.

It is trained from scratch on real photographs only, never on the output of a preset, so that what it calls winter was
learnt from winter. Its last hidden layer is the space in which two sets of pictures are compared.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save
from torch import Tensor, nn

from lptn_retouch.errors import InvalidPresetError, TrainingError, shown
from lptn_retouch.files import write_atomically
from lptn_retouch.model.checkpoint import as_tensors
from lptn_retouch.model.weights import read_safetensors
from lptn_retouch.training.data.augment import varied
from lptn_retouch.training.data.pictures import load_srgb
from lptn_retouch.training.ema import move_average

SIDE = 96  # px, of the square that is looked at
_STORED = 128  # px, of the square that training draws its crops from
_WIDTHS = (24, 48, 96, 128)


class _Net(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *_WIDTHS[:-1]), _WIDTHS, strict=True):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.Conv2d(after, after, 3, padding=1, groups=after // 8), nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.hidden = nn.Linear(2 * _WIDTHS[-1], 64)
        self.out = nn.Linear(64, classes)

    def features(self, x: Tensor) -> Tensor:
        x = self.body(x * 4 - 2)
        # the mean says what fills the frame, the maximum what stands in it at all
        return self.hidden(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)).relu()  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.dropout(self.features(x), 0.3, self.training))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Classifier:
    """A trained classifier of pictures.

    Example:
        >>> classifier = Classifier(("summer", "winter"), _Net(2).eval())
        >>> sorted(classifier.says(torch.rand(1, 3, 60, 80)))
        ['summer', 'winter']
    """

    names: tuple[str, ...]
    net: _Net

    @torch.inference_mode()
    def says(self, picture: Tensor) -> dict[str, float]:
        """Tell the probability of each set.

        Args:
            picture: (1, 3, H, W), sRGB in [0, 1], any size.
        """
        share = self.net(_both_ways(picture)).softmax(1).mean(0)
        return dict(zip(self.names, share.tolist(), strict=True))

    @torch.inference_mode()
    def features(self, picture: Tensor) -> Tensor:
        """Describe a picture, (1, 3, H, W) in [0, 1], by the last hidden layer: (64,)."""
        return self.net.features(_both_ways(picture)).mean(0)

    def calls(self, picture: Tensor) -> str:
        """Name the likeliest set for a picture, (1, 3, H, W) in [0, 1]."""
        said = self.says(picture)
        return max(said, key=lambda name: said[name])

    def save(self, path: Path) -> Path:
        """Write the classifier as a ``.safetensors`` file, names in its header."""
        weights = {key: value.contiguous() for key, value in self.net.state_dict().items()}
        data = save(weights, {"judge": json.dumps(self.names)})
        write_atomically(path, lambda stream: stream.write(data))
        return path

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read a classifier that :meth:`save` wrote.

        Raises:
            InvalidPresetError: the file is no such thing.
        """
        weights, header = read_safetensors(path)
        try:
            names = tuple(str(name) for name in json.loads(header["judge"]))
            net = _Net(len(names))
            net.load_state_dict(as_tensors(weights))
        except (KeyError, ValueError, TypeError, RuntimeError):
            raise InvalidPresetError(f"{shown(path.name)}: holds no classifier; name one that --judge saved.") from None
        return cls(names, net.eval())


def train_classifier(
    sets: Mapping[str, Sequence[Path]], seed: int = 0, steps: int = 1200, batch: int = 32
) -> Classifier:
    """Train a classifier from scratch; a minute or two on one core.

    Every batch draws as many pictures from each set, so a large set is not the likelier one. Crop, mirror and a mild
    change of exposure, white balance, contrast and colour keep it from being a histogram.

    Args:
        sets: name of each set to its picture files; two sets or more.
        seed: for weights, order and jitter; the caller's random state is left alone.
        steps: of Adam.
        batch: pictures a step.

    Returns:
        The moving average of the weights.

    Raises:
        TrainingError: fewer than two sets, or an empty one.
    """
    if len(sets) < 2 or not all(sets.values()):
        raise TrainingError("a classifier needs two sets of pictures or more, and none of them empty.")
    pictures = [torch.cat([_square(load_srgb(file), _STORED) for file in sets[n]]) for n in sets]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net(len(sets))
        average = copy.deepcopy(net).eval()
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.05)
        each = math.ceil(batch / len(sets))
        labels = torch.arange(len(sets)).repeat_interleave(each)
        net.train()
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min(1.0, 24 * (step + 1) / steps) * 0.5 * (1 + math.cos(math.pi * step / steps))
            x = varied(torch.cat([held[torch.randint(len(held), (each,))] for held in pictures]), SIDE)
            loss = F.cross_entropy(net(x), labels, label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            move_average(average, net, step, 0.99)
    return Classifier(tuple(sets), average)


def accuracy(classifier: Classifier, sets: Mapping[str, Sequence[Path]]) -> dict[str, float]:
    """Share of each set's pictures, held back from training, that the classifier names rightly."""

    def share(name: str, files: Sequence[Path]) -> float:
        return sum(classifier.calls(load_srgb(file)) == name for file in files) / len(files)

    return {name: share(name, files) for name, files in sets.items()}


def _square(picture: Tensor, side: int) -> Tensor:
    """Bring a picture to a square, whole: sizes and shapes differ between sets and must tell nothing."""
    return F.interpolate(picture, size=(side, side), mode="bilinear", antialias=True)


def _both_ways(picture: Tensor) -> Tensor:
    small = _square(picture, SIDE)
    return torch.cat([small, small.flip(-1)])
