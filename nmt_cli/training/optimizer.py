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

    def gradients(self) -> list[Tensor]:
        """Of all parameters, in their order; zero where a parameter had no part in the loss."""
        for parameter in self.parameters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.parameters.values() if parameter.grad is not None]

    def scale(self, factor: float) -> None:
        """Multiply all gradients."""
        torch._foreach_mul_(self.gradients(), factor)

    def step(self, rate: float) -> None:
        """Move the weights against their gradients, and forget the gradients."""
        for group in self._inner.param_groups:
            group["lr"] = rate
        self._inner.step()
        self._inner.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """``exp_avg.NAME`` and ``exp_avg_sq.NAME`` for each parameter that has been moved."""
        return {
            f"{moment}.{name}": self._inner.state[parameter][moment]
            for name, parameter in self.parameters.items()
            if parameter in self._inner.state
            for moment in _MOMENTS
        }

    def load(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Go on from the state behind so many updates; before the first there is none. Gradients of before are forgotten."""
        self._inner.zero_grad(set_to_none=True)
        self._inner.state.clear()
        for name, parameter in self.parameters.items() if updates else ():
            moments = {moment: state[f"{moment}.{name}"].clone() for moment in _MOMENTS}
            self._inner.state[parameter] = {"step": torch.tensor(float(updates)), **moments}
