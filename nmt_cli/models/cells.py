"""Recurrent cells, run over whole sequences with their backward pass written out.

Autograd would record a dozen nodes for each time step and replay them one by one. Backpropagation through time (Werbos 1990) as
written here keeps the products with the input and all weight gradients out of the loop: what is left in it is one product
with the recurrent matrix and a few element-wise operations.
"""

from typing import Any

import torch
from torch import Tensor, nn


class _LSTMSequence(torch.autograd.Function):
    """h_t, c_t for all t, from the projected inputs. Gates in the order input, forget, candidate, output, as torch has them."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, recurrent: Tensor, h0: Tensor, c0: Tensor, alive: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        steps, rows, _ = inputs.shape
        hidden = inputs.new_empty(steps + 1, rows, h0.shape[1])
        cells = torch.empty_like(hidden)
        gates = torch.empty_like(inputs)
        hidden[0], cells[0] = h0, c0
        for t in range(steps):
            i, f, g, o = torch.addmm(inputs[t], hidden[t], recurrent.T, out=gates[t]).chunk(4, 1)
            i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()
            cell = torch.addcmul(f * cells[t], i, g)
            torch.where(alive[t], cell, cells[t], out=cells[t + 1])
            torch.where(alive[t], o * cell.tanh(), hidden[t], out=hidden[t + 1])
        ctx.save_for_backward(gates, recurrent, hidden, cells, alive)
        return hidden[1:].clone(), hidden[-1].clone(), cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        gates, recurrent, hidden, cells, alive = ctx.saved_tensors
        grad_outputs, dh, dc = grads
        slopes = torch.empty_like(gates)
        for t in reversed(range(len(gates))):
            i, f, g, o = gates[t].chunk(4, 1)
            keep = alive[t]
            total_h = dh + grad_outputs[t]
            squashed = (f * cells[t] + i * g).tanh_()
            live_h = total_h * keep
            live_c = torch.addcmul(dc * keep, live_h * o, 1 - squashed * squashed)
            di, df, dg, do = slopes[t].chunk(4, 1)
            torch.mul(live_c * g, i * (1 - i), out=di)
            torch.mul(live_c * cells[t], f * (1 - f), out=df)
            torch.mul(live_c * i, 1 - g * g, out=dg)
            torch.mul(live_h * squashed, o * (1 - o), out=do)
            dh = torch.addmm(total_h * ~keep, slopes[t], recurrent)
            dc = torch.addcmul(dc * ~keep, live_c, f)
        grad_recurrent = slopes.flatten(0, 1).T @ hidden[:-1].flatten(0, 1)
        return slopes, grad_recurrent, dh, dc, None


class LSTM(nn.Module):
    """One layer of long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

        i, f, o = sigmoid(W x + U h + b)      g = tanh(W x + U h + b)
        c' = f * c + i * g                    h' = o * tanh(c')

    Behind the end of a row its state stays what it was at the end.
    """

    states = 2  # h and c

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(inputs, 4 * width)
        self.recurrent = nn.Parameter(torch.empty(4 * width, width))
        for block in self.recurrent.detach().chunk(4):
            nn.init.orthogonal_(block)
        nn.init.zeros_(self.project.bias)
        nn.init.ones_(self.project.bias.detach()[width : 2 * width])  # remember at first (Jozefowicz et al. 2015)

    def forward(
        self, inputs: Tensor, mask: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """``inputs`` (B, T, D'), ``mask`` (B, T), ``state`` h and c (B, D) -> outputs (B, T, D) and the states at the true end."""
        projected = self.project(inputs).transpose(0, 1).contiguous()
        alive = mask.T[:, :, None].contiguous()
        outputs, h, c = _LSTMSequence.apply(projected, self.recurrent, *state, alive)  # type: ignore[no-untyped-call]
        return outputs.transpose(0, 1), (h, c)


def reverse(values: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, ...) with each row turned round by its own length; padding stays behind. Its own inverse."""
    places = torch.arange(values.shape[1], device=values.device)
    turned = lengths[:, None] - 1 - places
    return values[torch.arange(len(values), device=values.device)[:, None], torch.where(turned < 0, places, turned)]
