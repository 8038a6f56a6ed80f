"""Recurrent cells, run over whole sequences with their backward pass written out.

Autograd would record a dozen nodes for each time step and replay them one by one. Backpropagation through time (Werbos 1990) as
written here keeps the products with the input and all weight gradients out of the loop: what is left in it is the product
with the recurrent matrix and a few element-wise operations. Each cell gives its equations for one step, ahead and back; the
loop, and the mask in it, are the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from nmt_cli.models.layers import Dropout
from nmt_cli.models.rounding import in_float32, whole
from nmt_cli.models.squashing import sigmoid_slope, tanh, tanh_slope

States = tuple[Tensor, ...]
"""What a cell hands to its next step, h first: (B, D) each."""


class _Sequence(torch.autograd.Function):
    """The states of all steps, from the projected inputs. Behind the end of a row its states stay what they were."""

    @staticmethod
    @in_float32
    def forward(
        ctx: Any, cell: type[Cell], inputs: Tensor, recurrent: Tensor, alive: Tensor, *start: Tensor
    ) -> tuple[Tensor, ...]:
        """``inputs`` (T, B, G D), ``alive`` (T, B, 1), ``start`` (B, D) each -> outputs (B, T, D), then the end states."""
        past = [state.new_empty(len(inputs) + 1, *state.shape) for state in start]
        for states, state in zip(past, start, strict=True):
            states[0] = state
        gates, everyone = torch.empty_like(inputs), alive.flatten(1).all(1).tolist()
        for t in range(len(inputs)):
            before, after = _around(past, t)
            cell.ahead(inputs[t], recurrent, before, after, gates[t])
            if not everyone[t]:
                for old, new in zip(before, after, strict=True):
                    torch.where(alive[t], new, old, out=new)
        ctx.cell, ctx.everyone = cell, everyone
        ctx.save_for_backward(gates, recurrent, alive, *past)
        return past[0][1:].transpose(0, 1).contiguous(), *(states[-1].clone() for states in past)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        cell: type[Cell] = ctx.cell
        gates, recurrent, alive, *past = ctx.saved_tensors
        slopes = torch.empty_like(gates)
        grad_outputs, *ends = grads
        pull = tuple(ends)  # the gradients by the states behind step t
        for t in reversed(range(len(gates))):
            pull = (pull[0] + grad_outputs[:, t], *pull[1:])
            live = pull if ctx.everyone[t] else tuple(one * alive[t] for one in pull)
            passed = cell.back(gates[t], recurrent, *_around(past, t), live, slopes[t])
            if not ctx.everyone[t]:
                passed = tuple(one + kept * ~alive[t] for one, kept in zip(passed, pull, strict=True))
            pull = passed
        return None, slopes, cell.recurrent_gradient(slopes, gates, past[0][:-1]), None, *pull


def _around(past: list[Tensor], t: int) -> tuple[States, States]:
    """The states before and behind step ``t``."""
    return tuple(states[t] for states in past), tuple(states[t + 1] for states in past)


class Cell(nn.Module, ABC):
    """One recurrent layer. Its projections are G blocks of width D: the gates and the candidate."""

    states: ClassVar[int]
    """How many tensors it hands from step to step."""
    blocks: ClassVar[int]
    """G"""

    def __init__(self, inputs: int, width: int, recurrent_dropout: float = 0.0) -> None:
        """``recurrent_dropout``: the share of the entries of U that training drops in each pass (Merity et al. 2018)."""
        super().__init__()
        self.width = width
        self.project = nn.Linear(inputs, self.blocks * width)
        self.recurrent = nn.Parameter(torch.empty(self.blocks * width, width))
        self.weight_drop = Dropout(recurrent_dropout)
        for block in self.recurrent.detach().chunk(self.blocks):
            nn.init.orthogonal_(block)
        nn.init.zeros_(self.project.bias)

    def forward(self, inputs: Tensor, mask: Tensor, state: States) -> tuple[Tensor, States]:
        """``inputs`` (B, T, D'), ``mask`` (B, T), ``state`` -> outputs h (B, T, D) and the states at the true end."""
        return self.run(self.prepare(inputs), mask, state, self.matrix())

    def prepare(self, inputs: Tensor) -> Tensor:
        """W x + b of all steps in one product: (B, T, D') -> (B, T, G D), step after step in storage."""
        return torch.transpose(self.project(inputs.transpose(0, 1)), 0, 1)

    def matrix(self) -> Tensor:
        """U (G D, D); while training, with some of its entries dropped."""
        dropped: Tensor = self.weight_drop(self.recurrent)
        return dropped

    def fixed(self) -> Callable[[Tensor, Tensor, States], tuple[Tensor, States]]:
        """The cell with one U for all calls, the dropped entries drawn now: for those who call it for each step."""
        matrix = self.matrix()
        return lambda inputs, mask, state: self.run(self.prepare(inputs), mask, state, matrix)

    def run(self, prepared: Tensor, mask: Tensor, state: States, matrix: Tensor) -> tuple[Tensor, States]:
        """``forward`` from prepared inputs (B, T, G D) and U: for those who add to the one, or call for each step."""
        steps, alive = prepared.transpose(0, 1).contiguous(), mask.T[:, :, None].contiguous()
        outputs, *ends = _Sequence.apply(type(self), steps, matrix, alive, *state)  # type: ignore[no-untyped-call]
        return outputs, tuple(ends)

    @staticmethod
    @abstractmethod
    def ahead(inputs: Tensor, recurrent: Tensor, before: States, after: States, gates: Tensor) -> None:
        """One step from projected ``inputs`` (B, G D): the next states are written to ``after``, activations to ``gates``."""

    @staticmethod
    @abstractmethod
    def back(gates: Tensor, recurrent: Tensor, before: States, after: States, pull: States, slopes: Tensor) -> States:
        """The same step back: from the gradients ``pull`` by the states ``after`` it to those by the states ``before``.

        Those by the projected inputs are written to ``slopes`` (B, G D).
        """

    @staticmethod
    def recurrent_gradient(slopes: Tensor, gates: Tensor, hidden: Tensor) -> Tensor:
        """(G D, D) by U, of all steps at once, from ``slopes`` and ``gates`` (T, B, G D) and h before each step (T, B, D)."""
        del gates
        return slopes.flatten(0, 1).T @ hidden.flatten(0, 1)


class RNN(Cell):
    """The simple recurrent network (Elman 1990).

    h' = tanh(W x + U h + b)
    """

    states, blocks = 1, 1

    @staticmethod
    def ahead(inputs: Tensor, recurrent: Tensor, before: States, after: States, gates: Tensor) -> None:
        """To h'."""
        (h,), (new,) = before, after
        tanh(torch.addmm(inputs, h, recurrent.T, out=gates), out=gates)
        new.copy_(gates)

    @staticmethod
    def back(gates: Tensor, recurrent: Tensor, before: States, after: States, pull: States, slopes: Tensor) -> States:
        """To the gradient by h."""
        del before, after
        tanh_slope(pull[0], gates, out=slopes)
        return (slopes @ recurrent,)


class GRU(Cell):
    """The gated recurrent unit, as Cho et al. 2014 write it: the reset gate acts on h before the product with U.

        r, z = sigmoid(W x + U h + b)      n = tanh(W x + U (r * h) + b)
        h' = z * h + (1 - z) * n

    (torch's GRU has r * (U h + b); Bahdanau et al. 2015 write z where this has 1 - z.)
    """

    states, blocks = 1, 3

    @staticmethod
    def ahead(inputs: Tensor, recurrent: Tensor, before: States, after: States, gates: Tensor) -> None:
        """To h'."""
        (h,), (new,), split = before, after, 2 * before[0].shape[1]
        r, z = torch.addmm(inputs[:, :split], h, recurrent[:split].T, out=gates[:, :split]).sigmoid_().chunk(2, 1)
        n = torch.addmm(inputs[:, split:], r * h, recurrent[split:].T, out=gates[:, split:])
        torch.lerp(tanh(n, out=n), h, z, out=new)

    @staticmethod
    def back(gates: Tensor, recurrent: Tensor, before: States, after: States, pull: States, slopes: Tensor) -> States:
        """To the gradient by h."""
        del after
        (h,), (dh,), split = before, pull, 2 * before[0].shape[1]
        r, z, n = gates.chunk(3, 1)
        dr, dz, dn = slopes.chunk(3, 1)
        kept = dh * z
        tanh_slope(dh - kept, n, out=dn)
        sigmoid_slope(dh * (h - n), z, out=dz)
        reset = dn @ recurrent[split:]  # by r * h
        sigmoid_slope(reset * h, r, out=dr)
        return (kept.addcmul_(reset, r).addmm_(slopes[:, :split], recurrent[:split]),)

    @staticmethod
    def recurrent_gradient(slopes: Tensor, gates: Tensor, hidden: Tensor) -> Tensor:
        """The candidate's block was multiplied with r * h, the others with h."""
        slopes, gates, hidden = slopes.flatten(0, 1), gates.flatten(0, 1), hidden.flatten(0, 1)
        width = hidden.shape[1]
        reset = gates[:, :width] * hidden
        return torch.cat([slopes[:, : 2 * width].T @ hidden, slopes[:, 2 * width :].T @ reset])


class LSTM(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

        i, f, o = sigmoid(W x + U h + b)      g = tanh(W x + U h + b)
        c' = f * c + i * g                    h' = o * tanh(c')

    The blocks stand in the order i, f, g, o, as torch has them.
    """

    states, blocks = 2, 4

    def __init__(self, inputs: int, width: int, recurrent_dropout: float = 0.0) -> None:
        super().__init__(inputs, width, recurrent_dropout)
        nn.init.ones_(self.project.bias.detach()[width : 2 * width])  # remember at first (Jozefowicz et al. 2015)

    def forward(self, inputs: Tensor, mask: Tensor, state: States) -> tuple[Tensor, States]:
        """As for every cell. Where no row ends early, torch's own does it: on a CPU it is a quarter faster."""
        if not bool(mask.all()):
            return super().forward(inputs, mask, state)
        weights = self.project.weight, self.matrix(), self.project.bias, torch.zeros_like(self.project.bias)
        inputs, h, c = (part.to(self.recurrent.dtype) for part in (inputs, *state))
        with whole():
            outputs, h, c = torch.lstm(inputs, (h[None], c[None]), weights, True, 1, 0.0, self.training, False, True)
        return outputs, (h[0], c[0])

    @staticmethod
    def ahead(inputs: Tensor, recurrent: Tensor, before: States, after: States, gates: Tensor) -> None:
        """To h' and c'."""
        (h, c), (new_h, new_c) = before, after
        i, f, g, o = torch.addmm(inputs, h, recurrent.T, out=gates).chunk(4, 1)
        i.sigmoid_(), f.sigmoid_(), tanh(g, out=g), o.sigmoid_()
        torch.addcmul(f * c, i, g, out=new_c)
        torch.mul(o, tanh(new_c, out=new_h), out=new_h)

    @staticmethod
    def back(gates: Tensor, recurrent: Tensor, before: States, after: States, pull: States, slopes: Tensor) -> States:
        """To the gradients by h and c."""
        (_, c), (_, new_c), (dh, dc) = before, after, pull
        i, f, g, o = gates.chunk(4, 1)
        di, df, dg, do = slopes.chunk(4, 1)
        squashed = tanh(new_c, out=torch.empty_like(new_c))
        sigmoid_slope(dh * squashed, o, out=do)
        dc = dc + tanh_slope(dh * o, squashed, out=squashed)
        sigmoid_slope(dc * g, i, out=di)
        sigmoid_slope(dc * c, f, out=df)
        tanh_slope(dc * i, g, out=dg)
        return slopes @ recurrent, dc * f


class Bidirectional(nn.Module):
    """Two cells, one of which reads each row from its end; their states stand side by side (Schuster & Paliwal 1997)."""

    def __init__(self, ahead: Cell, back: Cell) -> None:
        super().__init__()
        self.ahead = ahead
        self.back = back
        self.states = ahead.states
        self.width = ahead.width + back.width

    @classmethod
    def of(cls, cell: Callable[[int], Cell], inputs: int) -> Self:
        """Two new cells of one kind, from what makes one of so many ``inputs``."""
        return cls(cell(inputs), cell(inputs))

    def forward(self, inputs: Tensor, mask: Tensor, state: States) -> tuple[Tensor, States]:
        """As a cell of the width of both. Each direction's end states are those at its own end: the last token, the first."""
        lengths, halves = mask.sum(1), [torch.split(part, [self.ahead.width, self.back.width], 1) for part in state]
        right, right_end = self.ahead(inputs, mask, tuple(half[0] for half in halves))
        left, left_end = self.back(reverse(inputs, lengths), mask, tuple(half[1] for half in halves))
        ends = tuple(torch.cat(pair, 1) for pair in zip(right_end, left_end, strict=True))
        return torch.cat([right, reverse(left, lengths)], 2), ends


def reverse(values: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, ...) with each row turned round by its own length; padding stays behind. Its own inverse."""
    places = torch.arange(values.shape[1], device=values.device)
    turned = lengths[:, None] - 1 - places
    return values[torch.arange(len(values), device=values.device)[:, None], torch.where(turned < 0, places, turned)]
