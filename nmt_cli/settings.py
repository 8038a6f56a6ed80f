"""Every setting, checked. A model directory holds them resolved in ``config.toml``; presets are the same file with comments.

    [data]      which lines are used and how text becomes ids
    [model]     architecture = "..." and what the Config beside that architecture declares
    [training]  how weights get better
    [search]    how translations are found

Unknown keys and wrong types are errors that name the key, the rule and the nearest right key. What is given
nowhere is chosen from the data when training starts, and stands in ``config.toml`` as what was chosen.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nmt_cli.errors import ConfigError, nearest


class Section(BaseModel):
    """A frozen table of settings that refuses what it does not know."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataSettings(Section):
    """Which lines are used and how text becomes ids."""

    # what text is cut into; translation takes subwords; pieces are those of an imported model
    units: Literal["subword", "word", "character", "piece"] = "subword"
    vocabulary: int | None = Field(default=None, ge=5, le=1_000_000)  # ids at most; None: by the data
    max_length: int = Field(default=256, ge=4, le=4096)  # longer pairs are dropped; longer input is split (in subwords)
    max_ratio: float = Field(default=9.0, gt=1.0)  # pairs whose lengths differ by a larger factor are dropped
    character_coverage: float = Field(default=0.9995, ge=0.98, le=1.0)  # share of characters that are no bytes

    @model_validator(mode="after")
    def _bytes_are_subwords(self) -> Self:
        if self.units == "subword" and self.vocabulary is not None and not 261 <= self.vocabulary <= 65_000:
            raise ValueError(f"vocabulary must lie between 261 and 65,000 for subwords, but is {self.vocabulary}")
        return self


@dataclass(frozen=True)
class Sizes:
    """What a model must know of the data before it can be built."""

    vocabulary: int  # V, ids of the tokenizer
    labels: int = 0  # of a classifier
    unknown: bool = False  # whether text holds words that have no id of their own


class ModelSettings(Section):
    """The part of [model] that every architecture has; each Config beside an architecture adds its own."""

    task: ClassVar[str] = "translate"
    """What models of this architecture are for."""

    architecture: str
    dropout: float = Field(default=0.1, ge=0.0, le=0.95)

    @property
    def exports(self) -> tuple[str, ...]:
        """The toolkits that can run such a model: see ``nmt export``."""
        return ()

    def build(self, sizes: Sizes) -> Any:
        """A model with fresh weights: each Config says how."""
        raise TypeError(f"{type(self).__name__} must define build({sizes})")

    @property
    def fixed(self) -> dict[str, Any]:
        """What weights depend on: all settings but the dropouts, which matter to training alone."""
        return {name: value for name, value in self.model_dump().items() if not name.endswith("dropout")}


class TrainingSettings(Section):
    """How weights get better."""

    seed: int = Field(default=1, ge=0, lt=2**31)
    batch_tokens: int = Field(default=4096, ge=16)  # target tokens of a batch, padding counted
    precision: Literal["float32", "bfloat16"] = "float32"  # of products: see models/rounding
    accumulate: int = Field(default=1, ge=1)  # batches whose gradients make one update
    workers: int = Field(default=1, ge=1, le=1024)  # processes that share each batch
    updates: int = Field(default=10_000, ge=1)  # the plan: the learning rate reaches zero here
    minutes: float | None = Field(default=None, gt=0)  # plan the updates by the clock instead
    learning_rate: float = Field(default=2e-3, gt=0, lt=1)  # the peak, reached after the warm-up
    warmup: int = Field(default=400, ge=1)  # updates
    after_warmup: Literal["constant", "inverse-sqrt"] = "constant"  # the rate until it falls to zero
    decay: float = Field(default=0.5, ge=0, lt=1)  # the share of all updates in which the rate falls to zero
    decay_shape: Literal["linear", "cosine"] = "linear"
    patience: int = Field(default=10, ge=1)  # validations without a better score before the decay starts early
    validate_every: int = Field(default=100, ge=1)  # updates
    window: int = Field(default=0, ge=0)  # a text is one stream, learnt so many tokens at a time; 0: line by line
    bpe_dropout: float = Field(default=0.0, ge=0, lt=1)  # chance of a merge to be left out, drawn anew in each epoch
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    r_drop: float = Field(default=0.0, ge=0)  # weight of the disagreement of two passes; 0: one pass
    clip_norm: float = Field(default=1.0, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    ema: float = Field(default=0.0, ge=0, lt=1)  # decay of the moving average of the weights that is kept; 0: none
    keep: int = Field(default=0, ge=0)  # validations, the last of all, whose weights are kept for nmt average
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.98, ge=0, lt=1)


class SearchSettings(Section):
    """How translations are found."""

    beam: int = Field(default=5, ge=1, le=1000)
    length_penalty: float = Field(default=1.0, ge=0)  # score = log p / length ** length_penalty
    batch_tokens: int = Field(default=2048, ge=1)  # padded source tokens that are searched at once, with a beam of 5


class Settings(Section):
    """All of it."""

    data: DataSettings
    model: ModelSettings
    training: TrainingSettings
    search: SearchSettings


Table = dict[str, Any]
S = TypeVar("S", bound=Section)


def resolve(table: Mapping[str, Any], architectures: Mapping[str, type[ModelSettings]], *, origin: str) -> Settings:
    """Check a table of settings; [model] by the Config that ``architectures`` holds for its ``architecture``.

    Raises:
        ConfigError: an unknown section or key (with the nearest right one), a wrong type, a value out of range.
    """
    for name in table:
        if name not in Settings.model_fields:
            raise ConfigError(f"{origin}: there is no section [{name}]", nearest(name, list(Settings.model_fields)))
    model = table.get("model", {})
    if not isinstance(model.get("architecture"), str):
        raise ConfigError(
            f"{origin}: [model] must name its architecture", f"one of: {', '.join(sorted(architectures))}"
        )
    return Settings(
        data=check(DataSettings, "data", table.get("data", {}), origin),
        model=check(architectures[model["architecture"]], "model", model, origin),
        training=check(TrainingSettings, "training", table.get("training", {}), origin),
        search=check(SearchSettings, "search", table.get("search", {}), origin),
    )


def check(kind: type[S], name: str, table: Any, origin: str) -> S:
    """The table of one section, checked. Raises ConfigError that says ``origin``, the key, the rule and the value."""
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"{origin}: there is no setting {name}.{key}", nearest(key, list(kind.model_fields), name)
            ) from None
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        rule = message[0].lower() + message[1:]
        if not key:  # a rule that binds several settings
            raise ConfigError(f"{origin}: in [{name}] {rule}") from None
        raise ConfigError(f"{origin}: {name}.{key} {rule}, but is {first['input']!r}") from None


def read_toml(path: Path) -> Table:
    """Raises ConfigError where the file cannot be read, is not TOML, or holds something outside of sections."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} must be UTF-8: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} must be TOML: {error}") from None
    for name, section in table.items():
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name} must stand in a section", "for example [training]")
    return table


def to_toml(settings: Settings) -> str:
    """The settings as the text of ``config.toml``; absent values (None) are left out."""
    return tomli_w.dumps(
        {name: getattr(settings, name).model_dump(exclude_none=True) for name in Settings.model_fields}
    )


def assignment(text: str) -> Table:
    """``training.learning_rate=0.001`` as a table. The value is TOML; what is no TOML value is a string.

    Raises ConfigError where the text is not SECTION.KEY=VALUE.
    """
    key, equals, value = text.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot and section and name):
        raise ConfigError(
            f"--set must be SECTION.KEY=VALUE, but is '{text}'", "for example --set training.learning_rate=0.001"
        )
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    return {section: {name: parsed}}


def merge(*tables: Mapping[str, Any]) -> Table:
    """Section by section, later tables win."""
    merged: Table = {}
    for table in tables:
        for section, values in table.items():
            merged[section] = {**merged.get(section, {}), **values} if isinstance(values, Mapping) else values
    return merged


def shortened(changes: list[str], most: int = 4) -> str:
    """Several differences in a line that can be read."""
    more = len(changes) - most
    return "; ".join(changes[:most]) + (f"; and {more} more" if more > 0 else "")


def differences(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """``training.seed: 1 -> 2`` for each setting that differs between two dumps."""
    return [
        f"{section}.{key}: {old.get(section, {}).get(key)} -> {new[section].get(key)}"
        for section in new
        for key in {**old.get(section, {}), **new[section]}
        if old.get(section, {}).get(key) != new[section].get(key)
    ]
