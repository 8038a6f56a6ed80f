"""Gradients side by side are the gradients of torch, measured and scaled as torch would."""

import torch
from torch import nn

from nmt_cli.training.gradients import Gradients


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 3))


def learn(parts: nn.Module, seed: int) -> None:
    """One backward pass."""
    values = torch.randn(7, 5, generator=torch.Generator().manual_seed(seed))
    parts(values).square().sum().backward()


def test_passes_add_up_as_torch_adds_them() -> None:
    ours, theirs = model(), model()
    gradients = Gradients(ours)
    for seed in (1, 2):
        learn(ours, seed)
        learn(theirs, seed)
    wanted = [parameter.grad for parameter in theirs.parameters() if parameter.grad is not None]
    assert torch.equal(gradients.flat, torch.cat([gradient.flatten() for gradient in wanted]))
    for parameter, gradient in zip(ours.parameters(), wanted, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, gradient)
    norm = nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
    torch.testing.assert_close(gradients.norm(), float(norm))
    gradients.scale(0.5 / gradients.norm())
    for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad)


def test_what_is_forgotten_counts_no_more() -> None:
    ours, fresh = model(), model()
    gradients, wanted = Gradients(ours), Gradients(fresh)
    learn(ours, 1)
    gradients.forget()
    assert gradients.norm() == 0
    learn(ours, 2)
    learn(fresh, 2)
    assert torch.equal(gradients.flat, wanted.flat)


def test_frozen_parameters_have_none() -> None:
    parts = model()
    parts[0].requires_grad_(False)
    gradients = Gradients(parts)
    learn(parts, 1)
    assert len(gradients.flat) == 4 + 4 + 4 * 3 + 3
    assert parts[0].weight.grad is None
