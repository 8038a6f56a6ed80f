"""Adam (Kingma & Ba 2015) with decoupled weight decay (Loshchilov & Hutter 2019), and its state as named tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nmt_cli.settings import TrainingSettings

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam:
    """torch's AdamW over the named parameters of a model."""

    def __init__(self, model: nn.Module, settings: TrainingSettings) -> None:
        self.parameters = dict(model.named_parameters())
        decayed = [p for p in self.parameters.values() if p.dim() > 1]
        others = [p for p in self.parameters.values() if p.dim() <= 1]  # biases and norms are not pulled to zero
        self._inner = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            eps=1e-9,
            fused=True,
        )

    def step(self, rate: float) -> None:
        """Move the weights against their gradients."""
        for group in self._inner.param_groups:
            group["lr"] = rate
        self._inner.step()

    def state(self) -> dict[str, Tensor]:
        """``exp_avg.NAME`` and ``exp_avg_sq.NAME`` for each parameter that has been moved."""
        return {
            f"{moment}.{name}": self._inner.state[parameter][moment]
            for name, parameter in self.parameters.items()
            if parameter in self._inner.state
            for moment in _MOMENTS
        }

    def load(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Go on from the state behind so many updates; before the first there is none."""
        self._inner.state.clear()
        for name, parameter in self.parameters.items() if updates else ():
            moments = {moment: state[f"{moment}.{name}"].clone() for moment in _MOMENTS}
            self._inner.state[parameter] = {"step": torch.tensor(float(updates)), **moments}
