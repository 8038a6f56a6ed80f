"""Quality by length of the source: where a model without attention falls, and others hold."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nmt_cli.evaluation.metrics import bleu

_EDGES = (1, 6, 11, 16, 21, 31, 41, 61)


@dataclass(frozen=True)
class Bucket:
    """The sentences whose sources have ``shortest`` to ``longest`` words (None: any number)."""

    shortest: int
    longest: int | None
    sentences: int
    bleu: float
    interval: tuple[float, float] | None = None  # 95 %, by bootstrap

    def __str__(self) -> str:
        return f"{self.shortest}+" if self.longest is None else f"{self.shortest}-{self.longest}"

    def to_json(self) -> dict[str, object]:
        """Every field."""
        return asdict(self)


def by_length(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None,
    resamples: int = 0,
) -> list[Bucket]:
    """BLEU of each bucket that holds a sentence, with intervals if there are ``resamples``. A word stands between spaces."""
    lengths = [len(source.split()) for source in sources]
    buckets = []
    for shortest, behind in zip(_EDGES, (*_EDGES[1:], None), strict=True):
        places = [i for i, n in enumerate(lengths) if n >= shortest and (behind is None or n < behind)]
        if places:
            score = bleu(
                [hypotheses[i] for i in places],
                [[side[i] for i in places] for side in references],
                language=language,
                resamples=resamples,
            )
            longest = None if behind is None else behind - 1
            buckets.append(Bucket(shortest, longest, len(places), score.score, score.interval))
    return buckets
