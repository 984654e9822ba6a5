"""The grade, learnt first and alone: one curve for a whole picture needs no more of the picture than its thumbnail.

So a step costs a tenth of one that moves whole pictures through the whole network, and many more of them can be taken.
The grade then stays as it is; what the rest of the network learns is what a curve cannot say, and it cannot over-fit by
moving the curve.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lptn_retouch.model.form import CURVE, TERMS, THUMBNAIL
from lptn_retouch.model.glance import Glance
from lptn_retouch.model.graded import graded_by
from lptn_retouch.training.data.augment import jittered
from lptn_retouch.training.data.pictures import Album
from lptn_retouch.training.ema import move_average
from lptn_retouch.training.run.config import TrainConfig
from lptn_retouch.training.run.learner import WARM
from lptn_retouch.training.run.losses import cast_on_greys, colour_loss

BATCH = 32
_EVERY = 4  # of a thumbnail's rows and columns, those whose colours are compared
_TOLD = 500  # steps between two words of progress
_AVERAGE = 0.995


def fit_grade(pairs: Album, config: TrainConfig, say: Callable[[str], None] = print) -> Glance:
    """Learn by which curve pictures come nearest to their targets.

    Args:
        pairs: entries of two.
        config: the run, of which ``[optim] grade_steps``, ``rate``, ``decay`` and ``seed``, ``[jitter]`` and ``[look]
            greys`` are heeded. The same pictures, settings and machine give the same grade; the caller's random state
            is left alone.
        say: called with a line now and then.

    Returns:
        The moving average of what was learnt, in eval mode, not to be trained further.
    """
    optim = config.optim
    thumbnails = torch.cat([small(entry) for entry in pairs.entries()])  # (n, 2, 3, 96, 96) uint8
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(optim.seed)
        random = torch.Generator().manual_seed(optim.seed)
        grade = Glance(CURVE)
        average = copy.deepcopy(grade).eval()
        optimizer = torch.optim.AdamW(grade.parameters(), lr=optim.rate, weight_decay=optim.decay)
        for step in range(optim.grade_steps):
            for group in optimizer.param_groups:
                falling = 0.5 * (1 + math.cos(math.pi * step / optim.grade_steps))
                group["lr"] = optim.rate * min(1.0, (step + 1) / WARM) * falling
            both = thumbnails[torch.randint(len(thumbnails), (BATCH,), generator=random)].float() / 255
            both = both.flip(-1) if step % 2 else both
            both = jittered(both, config.jitter, random)
            curve = grade(both[:, 0]).view(-1, 3, TERMS)
            top, left = torch.randint(_EVERY, (2,), generator=random).tolist()
            before, target = both[..., top::_EVERY, left::_EVERY].unbind(1)
            result = graded_by(curve, before)
            loss = colour_loss(result, target)
            if config.look.greys:
                loss = loss + config.look.greys * cast_on_greys(before, target, result)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(grade.parameters(), 1.0)
            optimizer.step()
            move_average(average, grade, step, _AVERAGE)
            if (step + 1) % _TOLD == 0:
                say(f"the grade: step {step + 1}/{optim.grade_steps}  loss {float(loss.detach()):.4f}")
    return average.requires_grad_(requires_grad=False)


def small(entry: Tensor) -> Tensor:
    """A pair, (2, 3, h, w) in [0, 1], as thumbnails, (1, 2, 3, 96, 96) uint8."""
    return (F.adaptive_avg_pool2d(entry, THUMBNAIL) * 255).round().to(torch.uint8)[None]
