"""What a model learns from a batch: the loss that its training minimises."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

from nmt_cli.models.base import Carry, Loss, Model
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.settings import TrainingSettings


class Lesson(Protocol):
    """A way to learn."""

    @property
    def passes(self) -> int:
        """Through the model, for each batch."""
        ...

    def __call__(self, batch: Any, carry: Carry) -> tuple[Loss, Carry]:
        """See ``Model.loss``."""
        ...


@dataclass(frozen=True)
class OnePass:
    """The model's own loss, with label smoothing."""

    passes: ClassVar[int] = 1

    model: Model
    smoothing: float

    def __call__(self, batch: Any, carry: Carry) -> tuple[Loss, Carry]:
        """As in Lesson."""
        return self.model.loss(batch, carry, smoothing=self.smoothing)


@dataclass(frozen=True)
class TwoPasses:
    """R-Drop: see ``models/agreement``. It takes twice the time of one pass."""

    passes: ClassVar[int] = 2

    model: EncoderDecoder[Any]
    smoothing: float
    weight: float

    def __call__(self, batch: Any, carry: Carry) -> tuple[Loss, Carry]:
        """As in Lesson; there is nothing to carry."""
        return self.model.agreement_loss(batch, smoothing=self.smoothing, weight=self.weight), carry


def lesson_of(model: Model, settings: TrainingSettings) -> Lesson:
    """As the settings say."""
    if settings.r_drop == 0:
        return OnePass(model, settings.label_smoothing)
    return TwoPasses(cast("EncoderDecoder[Any]", model), settings.label_smoothing, settings.r_drop)
