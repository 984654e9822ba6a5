"""What learns in a run: the network, the average of its weights that is shipped and, where asked for, a critic."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from lptn_retouch.errors import TrainingError
from lptn_retouch.model.glance import Glance
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.training.ema import move_average
from lptn_retouch.training.run.config import TrainConfig
from lptn_retouch.training.run.critic import Critic, critic_loss, generator_loss
from lptn_retouch.training.run.losses import cast_on_greys, colour_loss
from lptn_retouch.training.run.networks import build
from lptn_retouch.training.run.parallel import Rank, share_dropout

WARM = 100  # steps over which the rate rises from nothing
_LONGEST = 1.0  # of a network's gradient, all parameters together


class Learner:
    """One run's network with its optimizer, and its critic with its own.

    Args:
        config: the run.
        rank: this process's.
        gate, grade: a graded network's, which have been learnt already and are not trained here.
    """

    def __init__(
        self, config: TrainConfig, rank: Rank, gate: Glance | None = None, grade: Glance | None = None
    ) -> None:
        self.config, self.rank = config, rank
        self.grade_stays = grade is not None
        torch.manual_seed(config.optim.seed)
        self.net, self.average = build(config.model, config.optim.start), build(config.model)
        for net in (self.net, self.average):
            if gate is not None and isinstance(net, GradedLPTN):
                net.gate = copy.deepcopy(gate)
            if grade is not None and isinstance(net, GradedLPTN):
                net.grade = copy.deepcopy(grade)
            net.to(rank.device)
        self.average.requires_grad_(requires_grad=False)
        self.average.load_state_dict(self.net.state_dict())
        share_dropout(self.net, rank)
        optim = config.optim
        learnt = [weight for weight in self.net.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(learnt, lr=optim.rate, weight_decay=optim.decay)
        self.critic: Critic | None = None
        if needs_critic(config):
            self.critic = Critic().to(rank.device)
            self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=optim.rate, betas=(0.9, 0.99))
        wanted = optim.precision
        self.half = wanted == "bfloat16" or (wanted == "auto" and rank.device.type == "cuda")

    def state(self) -> dict[str, Any]:
        """All that a checkpoint must hold to go on from here."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def step(self, before: Tensor, target: Tensor, style: Tensor | None, step: int) -> dict[str, float]:
        """Learn from this process's share of a batch.

        Args:
            before, target: (n, 3, h, w) in [0, 1].
            style: real pictures of the style, (n, 3, any, any), where there is a critic.
            step: counted from 0.

        Returns:
            The losses, each the mean over all processes.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        before, target = before.to(self.rank.device), target.to(self.rank.device)
        self.net.train()
        if self.grade_stays and isinstance(self.net, GradedLPTN):
            self.net.grade.eval()  # no dropout
        self._set_rates(step)
        with torch.autocast(self.rank.device.type, torch.bfloat16, enabled=self.half):
            result = self.net(before)
        result = result.float()
        losses = {"loss": self._reconstruction_loss(result, target)}
        total = losses["loss"]
        if self.config.look.greys:
            losses["cast"] = cast_on_greys(before, target, result)
            total = total + self.config.look.greys * losses["cast"]
        weight = self._critic_weight(step)
        if self.critic is not None and weight:
            self.critic.requires_grad_(requires_grad=False)
            losses["praise"] = generator_loss(self.critic, result)
            total = total + weight * losses["praise"]
        self._learn(total, self.net, self.optimizer, step)
        if self.critic is not None and style is not None:
            losses["critic"] = self._train_critic(self.critic, style.to(self.rank.device), result, step)
        move_average(self.average, self.net, step, self.config.optim.average)
        return {name: float(self.rank.mean(loss)) for name, loss in losses.items()}

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"net": self.net, "average": self.average, "optimizer": self.optimizer}
        if self.critic is not None:
            parts |= {"critic": self.critic, "critic_optimizer": self.critic_optimizer}
        return parts

    def _reconstruction_loss(self, result: Tensor, target: Tensor) -> Tensor:
        if self.config.recipe == "adversarial":  # the target is the input: nothing in it may move without reason
            return self.config.look.reconstruction * (result - target).square().mean()
        return colour_loss(result, target)

    def _critic_weight(self, step: int) -> float:
        look = self.config.look
        if self.config.recipe == "adversarial":
            return 1.0
        return look.adversarial if step >= look.adversarial_from * self.config.optim.steps else 0.0

    def _train_critic(self, critic: Critic, style: Tensor, result: Tensor, step: int) -> Tensor:
        critic.requires_grad_(requires_grad=True)
        between = torch.rand(len(result) * self.rank.world_size)[self.rank.rows(len(result) * self.rank.world_size)]
        loss = critic_loss(critic, style, result, self.config.look.penalty, between)
        self._learn(loss, critic, self.critic_optimizer, step)
        return loss

    def _learn(self, loss: Tensor, net: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
        if not bool(torch.isfinite(self.rank.mean(loss))):
            raise TrainingError(f"the loss ran away at step {step}; start again with a lower [optim] rate.")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.rank.average_gradients(net)
        nn.utils.clip_grad_norm_(net.parameters(), _LONGEST)
        optimizer.step()

    def _set_rates(self, step: int) -> None:
        optim = self.config.optim
        rate = optim.rate * min(1.0, (step + 1) / WARM) * 0.5 * (1 + math.cos(math.pi * step / optim.steps))
        groups = self.optimizer.param_groups + (self.critic_optimizer.param_groups if self.critic is not None else [])
        for group in groups:
            group["lr"] = rate


def needs_critic(config: TrainConfig) -> bool:
    """Whether a run has a critic: the adversarial recipe, or a taught one that gives it a weight."""
    return config.recipe == "adversarial" or (config.recipe == "taught" and config.look.adversarial > 0)
