"""Adam (Kingma & Ba 2015) with decoupled weight decay (Loshchilov & Hutter 2019), and its state as named tensors."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from nmt_cli.settings import TrainingSettings

_EPSILON = 1e-9


@dataclass(frozen=True)
class _Moments:
    """Means of the gradients of a parameter and of their squares, and how many updates they are of."""

    exp_avg: Tensor
    exp_avg_sq: Tensor
    updates: Tensor

    @classmethod
    def none(cls, parameter: Tensor) -> "_Moments":
        """Before the first update."""
        updates = torch.zeros((), dtype=torch.float32, device=parameter.device)
        return cls(torch.zeros_like(parameter), torch.zeros_like(parameter), updates)


class Adam:
    """The update of torch's AdamW over the named parameters of a model.

    torch's class would have torch load its compiler, two seconds at the start of each process of a training.
    """

    def __init__(self, model: nn.Module, settings: TrainingSettings) -> None:
        self.parameters = dict(model.named_parameters())
        self._settings = settings
        self._moments: dict[str, _Moments] = {}

    def step(self, rate: float) -> None:
        """Move the weights that have gradients against them."""
        moved = {name: parameter for name, parameter in self.parameters.items() if parameter.grad is not None}
        for name in moved.keys() - self._moments.keys():
            self._moments[name] = _Moments.none(moved[name])
        # Biases and norms are not pulled to zero.
        self._move([name for name in moved if moved[name].dim() > 1], rate, self._settings.weight_decay)
        self._move([name for name in moved if moved[name].dim() <= 1], rate, 0.0)

    @torch.no_grad()
    def _move(self, names: list[str], rate: float, decay: float) -> None:
        parameters: list[Tensor] = [self.parameters[name] for name in names]
        moments = [self._moments[name] for name in names]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [of.exp_avg for of in moments],
            [of.exp_avg_sq for of in moments],
            [],
            [of.updates for of in moments],
            fused=True,
            amsgrad=False,
            beta1=self._settings.beta1,
            beta2=self._settings.beta2,
            lr=rate,
            weight_decay=decay,
            eps=_EPSILON,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """``exp_avg.NAME`` and ``exp_avg_sq.NAME`` for each parameter that has been moved."""
        moved = {name: self._moments[name] for name in self.parameters if name in self._moments}
        exp_avg = {f"exp_avg.{name}": moments.exp_avg for name, moments in moved.items()}
        return exp_avg | {f"exp_avg_sq.{name}": moments.exp_avg_sq for name, moments in moved.items()}

    def load(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Go on from the state behind so many updates; before the first there is none."""
        self._moments = {
            name: _Moments(
                state[f"exp_avg.{name}"].clone(),
                state[f"exp_avg_sq.{name}"].clone(),
                torch.tensor(float(updates), device=parameter.device),
            )
            for name, parameter in (self.parameters.items() if updates else ())
        }
