"""All gradients of a model, side by side in one tensor.

They are added up over processes, measured, scaled and forgotten as one: for a hundred small tensors each of that would be a hundred
calls, and a message to other processes would first have to be put together.
"""

import torch
from torch import Tensor, nn


class Gradients:
    """Of all parameters that learn. The ``grad`` of each is a view of its part, to which backward passes add."""

    def __init__(self, model: nn.Module) -> None:
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        first = parameters[0]
        self.flat: Tensor = torch.zeros(
            sum(parameter.numel() for parameter in parameters), dtype=first.dtype, device=first.device
        )
        """(P,)"""
        parts = torch.split(self.flat, [parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def norm(self) -> float:
        """Euclidean, over all of them."""
        return float(torch.linalg.vector_norm(self.flat))

    def scale(self, factor: float) -> None:
        """Multiply them."""
        self.flat.mul_(factor)

    def forget(self) -> None:
        """None of them is left."""
        self.flat.zero_()
