"""When a look is to act: a glance at the thumbnail that tells the pictures it is for from those to leave alone.

It is learnt apart from the look, before it, and stays as it is. So what the look does where it acts is learnt on the
pictures it is for, and neither has to give way to the other.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from lptn_retouch.model.form import THUMBNAIL
from lptn_retouch.model.glance import Glance, share_of
from lptn_retouch.training.data.augment import varied
from lptn_retouch.training.data.pictures import Album
from lptn_retouch.training.data.still import OWN, Still
from lptn_retouch.training.ema import move_average

HELD = 8  # every so manyth picture is held out
_RATE = 1.5e-3
_SURE = 0.04  # what a label is short of certainty


def fit_gate(
    wanted: Album,
    still: Still,
    *,
    seed: int = 0,
    steps: int = 1500,
    batch: int = 64,
    say: Callable[[str], None] = print,
) -> Glance:
    """Learn which pictures a look is for.

    Args:
        wanted: pictures it is for; entries of one.
        still: pictures that it is to leave alone.
        seed: the same seed, pictures and machine give the same gate; the caller's random state is left alone.
        steps: of Adam.
        batch: thumbnails a step, half of either.
        say: called with a line at the end: what share of the look held-out pictures get.

    Returns:
        In eval mode, not to be trained further.
    """
    inside, outside = _thumbnails(wanted), [_thumbnails(album) for album in still.kinds]
    if still.style is not None:
        outside.append(_thumbnails(still.style))
    odds = torch.full((len(outside),), 1 / max(len(outside), 1))
    if still.style is not None and still.kinds:
        odds = torch.tensor([(1 - OWN) / len(still.kinds)] * len(still.kinds) + [OWN])
    labels = torch.cat([torch.full((batch // 2,), 1 - _SURE), torch.full((batch // 2,), _SURE)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gate = Glance(1)
        average = copy.deepcopy(gate).eval()
        optimizer = torch.optim.AdamW(gate.parameters(), lr=_RATE, weight_decay=0.05)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = _RATE * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))
            kinds = torch.multinomial(odds, batch // 2, replacement=True).tolist()
            drawn = [_learnt(inside, batch // 2), *(_learnt(outside[kind], 1) for kind in kinds)]
            leaning = gate(varied(torch.cat(drawn), THUMBNAIL).clamp(0, 1))[:, 0]
            loss = F.binary_cross_entropy_with_logits(leaning, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            move_average(average, gate, step, 0.99)
    say(f"the gate: of held-out pictures, {_told(average, inside, outside)}")
    return average.requires_grad_(requires_grad=False)


def _thumbnails(album: Album) -> Tensor:
    return torch.cat([F.adaptive_avg_pool2d(entry, THUMBNAIL) for entry in album.entries()])


def _learnt(pictures: Tensor, count: int) -> Tensor:
    """Draw from those that are not held out."""
    at = torch.randint(len(pictures), (count,))
    return pictures[torch.where(at % HELD == 0, (at + 1) % len(pictures), at)]


@torch.inference_mode()
def _told(gate: Glance, inside: Tensor, outside: Sequence[Tensor]) -> str:
    shares = [share_of(gate(pictures[::HELD])).mean() for pictures in (inside, torch.cat([*outside]))]
    return f"those it is for get {shares[0]:.0%} of the look, the others {shares[1]:.0%}"
