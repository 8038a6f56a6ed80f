"""Our Adam is torch's AdamW, and its state goes through names without a change."""

import subprocess
import sys

import torch
from torch import nn

from nmt_cli.settings import TrainingSettings
from nmt_cli.training.optimizer import Adam

SETTINGS = TrainingSettings(weight_decay=0.1, beta1=0.8, beta2=0.9)


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 3))


def gradients(parts: nn.Module, update: int) -> None:
    """Random gradients that depend on the update alone."""
    draw = torch.Generator().manual_seed(update)
    for parameter in parts.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=draw)


def run(parts: nn.Module, optimizer: Adam, first: int, last: int) -> None:
    for update in range(first, last + 1):
        gradients(parts, update)
        optimizer.step(0.01 * update)


def bits(parts: nn.Module) -> list[list[float]]:
    return [parameter.flatten().tolist() for parameter in parts.parameters()]


def test_it_equals_torch_without_decay_of_vectors() -> None:
    ours, theirs = model(), model()
    run(ours, Adam(ours, SETTINGS), 1, 6)
    matrices = [parameter for parameter in theirs.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in theirs.parameters() if parameter.dim() == 1]
    oracle = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.8, 0.9),
        eps=1e-9,
        foreach=False,
        fused=False,
    )
    for update in range(1, 7):
        gradients(theirs, update)
        for group in oracle.param_groups:
            group["lr"] = 0.01 * update
        oracle.step()
    for mine, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, wanted)


def test_its_state_goes_on_with_the_same_bits() -> None:
    straight, stopped = model(), model()
    run(straight, Adam(straight, SETTINGS), 1, 8)
    before = Adam(stopped, SETTINGS)
    run(stopped, before, 1, 5)
    state = {name: tensor.clone() for name, tensor in before.state().items()}
    assert len(state) == 2 * len(list(stopped.parameters()))
    after = Adam(stopped, SETTINGS)
    after.load(state, 5)
    run(stopped, after, 6, 8)
    assert bits(stopped) == bits(straight)


def test_a_fresh_optimizer_has_no_state() -> None:
    assert Adam(model(), SETTINGS).state() == {}


STEP = """
import sys
from torch import nn
from nmt_cli.settings import TrainingSettings
from nmt_cli.training.optimizer import Adam
layer = nn.Linear(1, 1)
layer.weight.grad = layer.weight.detach() + 1
Adam(layer, TrainingSettings()).step(0.1)
sys.exit("torch._dynamo" in sys.modules)
"""


def test_it_loads_no_compiler() -> None:
    assert subprocess.run([sys.executable, "-c", STEP], check=False).returncode == 0


def test_what_has_no_gradient_stays() -> None:
    parts = model()
    gradients(parts, 1)
    parts[2].bias.grad = None
    before, optimizer = bits(parts), Adam(parts, SETTINGS)
    optimizer.step(0.1)
    moved = [old != new for old, new in zip(before, bits(parts), strict=True)]
    assert moved == [True] * 5 + [False]
    assert "exp_avg.2.bias" not in optimizer.state()
