"""Several models behind one face, for the laws."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.base import Decodable
from nmt_cli.models.language_model import LanguageModel
from nmt_cli.search.ensemble import Combination, Joint, MeanProbability, ShallowFusion
from nmt_cli.text.tokenizer import EOS

Mix = Callable[[Tensor], Tensor]
"""Log-probabilities (members, B, T) of each token -> those of all together (B, T)."""


class Together(Decodable[Any]):
    """Members behind one face, for the laws: each is encoded by itself, and teacher forcing combines what each of them says."""

    eos = EOS

    def __init__(self, members: list[Any], combined: tuple[Combination, Mix]) -> None:
        super().__init__()
        self.members = members
        self.joint, self.mix = Joint(tuple(members), combined[0]), combined[1]

    def start(self, source: Sequences) -> tuple[Tensor, Any]:
        return self.joint.start([member.start(begins(member, source)) for member in self.members])

    def advance(self, tokens: Tensor, lengths: Tensor, state: Any) -> Any:
        return self.joint.advance(tokens, lengths, state)

    def step(self, tokens: Tensor, state: Any) -> Any:
        return self.joint.step(tokens, state)

    def loss(self, batch: Any, carry: Any, *, smoothing: float) -> Any:
        raise NotImplementedError

    def log_probs(self, batch: Batch) -> Tensor:
        each = [member.log_probs(Batch(begins(member, batch.source), batch.target)) for member in self.members]
        return self.mix(torch.stack(each))


def mean(*weights: float) -> tuple[Combination, Mix]:
    shares = torch.tensor(weights, dtype=torch.float64)[:, None, None]
    return MeanProbability(weights), lambda logs: ((logs.exp() * shares).sum(0) / shares.sum()).log()


def fused(weight: float) -> tuple[Combination, Mix]:
    return ShallowFusion(weight), lambda logs: logs[0] + weight * logs[1]


def begins(member: Any, source: Sequences) -> Sequences:
    """What a member reads: the source, or the beginning of a line."""
    if isinstance(member, LanguageModel):
        return Sequences.of([[EOS]] * len(source), end=())
    return source
