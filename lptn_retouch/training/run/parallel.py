"""Several processes, one run: each learns from its share of every batch, and they agree on the mean of their gradients.

Started by ``torchrun``, which tells each process its rank by environment variables. Two processes do what one would
do alone, up to rounding: every random number is drawn for the whole batch, and each process takes its own rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, distributed, nn

from lptn_retouch.errors import TrainingError


@dataclass(frozen=True)
class Rank:
    """Which of how many processes this is, and where it computes."""

    index: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.index == 0

    def rows(self, batch: int) -> slice:
        """This process's rows of a batch.

        Example:
            >>> Rank(1, 2).rows(8)
            slice(4, 8, None)

        Raises:
            TrainingError: the batch cannot be shared out evenly.
        """
        if batch % self.world_size:
            raise TrainingError(f"[optim] batch is {batch}; make it a multiple of the {self.world_size} processes.")
        share = batch // self.world_size
        return slice(self.index * share, (self.index + 1) * share)

    def average_gradients(self, net: nn.Module) -> None:
        """Give every process the mean of all gradients."""
        if self.world_size > 1:
            gradients = [p.grad for p in net.parameters() if p.grad is not None]
            together = self.mean(torch.cat([g.flatten() for g in gradients]))
            for own, mean in zip(gradients, torch.split(together, [g.numel() for g in gradients]), strict=True):
                own.copy_(mean.view_as(own))

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all processes."""
        value = value.detach()
        if self.world_size > 1:
            distributed.all_reduce(value)
            value = value / self.world_size
        return value

    def any(self, wish: bool) -> bool:
        """Whether one process at least wishes it; all must ask."""
        return bool(self.mean(torch.tensor(float(wish), device=self.device)) > 0) if self.world_size > 1 else wish

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.world_size > 1:
            distributed.barrier()


@contextmanager
def join() -> Iterator[Rank]:
    """Take this process's rank: alone, or in the group that ``torchrun`` started (gloo on CPUs, nccl on GPUs)."""
    gpu = torch.cuda.is_available()
    world_size, own = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", own) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if world_size == 1:
        yield Rank(device=device)
        return
    distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Rank(distributed.get_rank(), world_size, device)
    finally:
        distributed.destroy_process_group()


def share_dropout(net: nn.Module, rank: Rank) -> None:
    """Make dropout leave out what it would leave out of this process's rows if it saw the whole batch.

    The choice follows from torch's own seed, which the trainer sets at every step.
    """

    def drop(module: nn.Dropout, inputs: tuple[Tensor, ...], result: Tensor) -> Tensor:
        x = inputs[0]
        if not module.training:
            return result
        random = torch.Generator().manual_seed(torch.initial_seed())
        whole = torch.rand(len(x) * rank.world_size, *x.shape[1:], generator=random)
        kept = whole[rank.rows(len(whole))] >= module.p
        return x * kept.to(x) / (1 - module.p)

    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(drop)
