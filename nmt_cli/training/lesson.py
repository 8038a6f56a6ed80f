"""What a model learns from a batch: the loss that its training minimises."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

from nmt_cli.models.base import Carry, Loss, Model
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.models.rounding import rounded
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


@dataclass(frozen=True)
class InBfloat16:
    """A lesson whose products are rounded: see ``models/rounding``."""

    lesson: Lesson

    @property
    def passes(self) -> int:
        """As the lesson."""
        return self.lesson.passes

    def __call__(self, batch: Any, carry: Carry) -> tuple[Loss, Carry]:
        """As in Lesson."""
        with rounded():
            return self.lesson(batch, carry)


def lesson_of(model: Model, settings: TrainingSettings) -> Lesson:
    """As the settings say."""
    lesson: Lesson = OnePass(model, settings.label_smoothing)
    if settings.r_drop > 0:
        lesson = TwoPasses(cast("EncoderDecoder[Any]", model), settings.label_smoothing, settings.r_drop)
    if settings.precision == "bfloat16":
        return InBfloat16(lesson)
    return lesson
