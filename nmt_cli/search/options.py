"""What a user may ask of a search; each strategy makes itself from it and refuses what does not concern it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchOptions:
    """As typed, over the model's own settings."""

    beam: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
