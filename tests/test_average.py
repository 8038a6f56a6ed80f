"""``nmt average``: the mean of several models, chosen on dev; and the weights that a training keeps for it."""

import math
import shutil
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import pytest
import torch

from nmt_cli.errors import ModelError
from nmt_cli.runs.checkpoint import FOLDER
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import read_tensors, write_tensors
from nmt_cli.training.soup import Ingredient, Soup, greedy, last, mean
from nmt_cli.training.tasks.base import Validation

from .conftest import PHRASEBOOK, Nmt
from .test_resume import bits

WEIGHTS = "model.safetensors"

Near = Callable[[Path, str, float], Path]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds ``dev.en`` and ``dev.de``, and ``kinds.tsv``."""
    monkeypatch.chdir(tmp_path)
    for language in ("en", "de"):
        lines = (PHRASEBOOK / f"train.{language}").read_text(encoding="utf-8").split("\n")[:30]
        Path(f"dev.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = Path("dev.en").read_text(encoding="utf-8").split("\n")[:-1]
    kinds = [("question" if line.endswith("?") else "statement", line) for line in lines]
    kinds += [("german", line) for line in Path("dev.de").read_text(encoding="utf-8").split("\n")[:-1]]
    Path("kinds.tsv").write_text("".join(f"{label}\t{line}\n" for label, line in kinds), encoding="utf-8")
    return tmp_path


@pytest.fixture
def near(here: Path) -> Near:
    """``near(model, "plus", 1)`` is a copy, moved so far in a direction: the mean of 1 and -1 is the model."""

    def moved(model: Path, name: str, distance: float) -> Path:
        copy = Path(shutil.copytree(model, here / name))
        weights, _ = read_tensors(copy / WEIGHTS)
        source = torch.Generator().manual_seed(1)
        steps = {key: 0.15 * value.std() * torch.randn(value.shape, generator=source) for key, value in weights.items()}
        write_tensors(copy / WEIGHTS, {key: value + distance * steps[key] for key, value in weights.items()}, {})
        return copy.relative_to(here)

    return moved


def check_close(one: Path, other: Path) -> None:
    weights = [read_tensors(model / WEIGHTS)[0] for model in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=0, atol=1e-6)


def test_what_a_training_keeps_is_averaged(small: Path, here: Path, nmt: Nmt) -> None:
    tiny = ("model.width=16", "model.heads=2", "model.encoder_layers=1", "model.decoder_layers=1", "model.dropout=0.0")
    given = (*tiny, "training.warmup=4", "training.learning_rate=0.02", "training.validate_every=6", "training.keep=3")
    words = ["--preset", "transformer-tiny", "--updates", "30", *(word for each in given for word in ("--set", each))]
    assert nmt("train", small / "a.en", small / "a.de", "-o", "m", *words).exit_code == 0
    kept = sorted(path.name for path in (here / "m" / FOLDER).glob("kept*"))
    assert kept == [f"kept-{update}.safetensors" for update in (18, 24, 30)]
    assert read_tensors(Path("m", FOLDER, "kept-30.safetensors"))[1] == {"update": "30"}
    last_state = read_tensors(Path("m", FOLDER, "last.safetensors"))[0]
    assert all(
        torch.equal(value, last_state[f"weights.{name}"])
        for name, value in read_tensors(Path("m", FOLDER, "kept-30.safetensors"))[0].items()
    )

    result = nmt("average", "m", "-o", "out")
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    lines = [line.rstrip() for line in result.stderr.rstrip("\n").split("\n")]
    names = ["the best validation", "the last 2 validations", "the last 3 validations"]
    assert [line.split("  ")[0] for line in lines[1:-2]] == names
    assert all("dev BLEU" in line for line in lines[1:-2])
    assert sum(line.endswith("*") for line in lines[1:-2]) == 1
    assert lines[-1] == "next: nmt inspect out"
    chosen = next(count for count, line in enumerate(lines[1:-2], 1) if line.endswith("*"))
    files = [Path("m", FOLDER, name) for name in kept[-chosen:]] if chosen > 1 else [Path("m", WEIGHTS)]
    made = ModelDirectory.open(Path("out"))
    assert [origin.file for origin in made.manifest.averaged] == list(map(str, files))
    parts = [read_tensors(file)[0] for file in files]
    for name, value in read_tensors(Path("out", WEIGHTS))[0].items():
        torch.testing.assert_close(value, sum(part[name] for part in parts) / len(parts), rtol=0, atol=1e-6)
    assert made.settings == ModelDirectory.open(Path("m")).settings
    assert (made.manifest.finished, made.manifest.scores) == (True, {})
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "config.toml", "manifest.json", "metrics.jsonl", WEIGHTS, "subwords.model",
    ]  # fmt: skip
    assert nmt("translate", "out", "dev.en").stdout.count("\n") == 30
    inspected = nmt("inspect", "out")
    assert (inspected.exit_code, f"mean of       {files[0]}" in inspected.stdout) == (0, True)


def test_two_models_that_are_better_together(trained: Path, near: Near, nmt: Nmt) -> None:
    models = [near(trained, "plus", 1), near(trained, "minus", -1)]
    result = nmt("average", *models, "--output", "out")
    assert result.exit_code == 0, result.stderr
    said = result.stderr.split("\n")
    assert any(line.split()[:3] in (["plus", "+", "minus"], ["minus", "+", "plus"]) for line in said)
    assert said[-3].startswith("out is the mean of ")
    check_close(Path("out"), trained)
    origins = ModelDirectory.open(Path("out")).manifest.averaged
    assert {origin.file for origin in origins} == {"plus/model.safetensors", "minus/model.safetensors"}


def test_a_model_that_spoils_the_mean_stays_out(trained: Path, near: Near, nmt: Nmt) -> None:
    result = nmt("average", trained, near(trained, "far", 5), "-o", "out", "--dev", "dev.en", "dev.de")
    assert result.exit_code == 0, result.stderr
    assert f"no average is better than {trained}: out is a copy of it\n" in result.stderr
    assert bits(Path("out", WEIGHTS)) == bits(trained / WEIGHTS)


def test_language_models_and_classifiers(
    writer: Path, stream_writer: Path, classifier: Path, near: Near, nmt: Nmt
) -> None:
    for number, (model, dev) in enumerate([(writer, "dev.en"), (stream_writer, "dev.en"), (classifier, "kinds.tsv")]):
        models = [near(model, f"{name}{number}", far) for name, far in (("plus", 5), ("minus", -5))]
        for name in models:
            shutil.rmtree(name / "corpus")
        alone = nmt("average", *models, "-o", f"out{number}")
        assert alone.exit_code == 1
        assert alone.stderr.startswith(
            f"error: {models[0]} holds no corpus of its own: dev must be given\nhint: --corpus"
        )
        result = nmt("average", *models, "-o", f"out{number}", "--dev", dev)
        assert result.exit_code == 0, result.stderr
        check_close(Path(f"out{number}"), model)
    other = Path("kinds.tsv").read_text(encoding="utf-8") + "foreign\tWas ist das?\n"
    Path("kinds.tsv").write_text(other, encoding="utf-8")
    refused = nmt("average", *models, "-o", "none", "--dev", "kinds.tsv")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: kinds.tsv:61 must have a label that occurs in training, but has 'foreign'")
    assert not Path("none").exists()


def test_what_it_is_chosen_by(trained: Path, near: Near, nmt: Nmt) -> None:
    models = [near(trained, "plus", 1), near(trained, "minus", -1)]
    manifest = Path("minus/manifest.json")
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(ModelDirectory.open(trained).manifest.corpus, "another"), encoding="utf-8")
    refused = nmt("average", *models, "-o", "out")
    assert (refused.exit_code, refused.stderr.split("\n")[0]) == (
        2,
        "error: plus and minus were trained on different text, and what is dev to one may have taught the other",
    )
    both = nmt("average", *models, "-o", "out", "--dev", "dev.en", "dev.de", "--corpus", trained / "corpus")
    assert (both.exit_code, "--dev and --corpus must not both be given" in both.stderr) == (2, True)
    assert nmt("preprocess", "dev.en", "dev.de", "-o", "other").exit_code == 0
    other = nmt("average", *models, "-o", "out", "--corpus", "other")
    assert other.exit_code == 1
    assert other.stderr.startswith(
        "error: other must have the task and the vocabulary of plus, but has others\nhint: nmt"
    )
    empty = nmt("average", *models, "-o", "out", "--dev", "dev.en", "none.de")
    assert (empty.exit_code, Path("out").exists()) == (1, False)
    result = nmt("average", *models, "-o", "out", "--corpus", trained / "corpus")
    assert result.exit_code == 0, result.stderr
    check_close(Path("out"), trained)


def test_what_does_not_fit(
    trained: Path,
    trained_lstm: Path,
    bottleneck: Path,
    writer: Path,
    near: Near,
    nmt: Nmt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(code: int, said: str, *words: object) -> None:
        result = nmt("average", *words)
        assert (result.exit_code, result.stderr.count("error")) == (code, 1), result.stderr
        assert result.stderr.startswith(f"error: {said}"), result.stderr

    refused(
        1, f"{writer} must be for translate, en-de, as {trained} is, but is for lm, en", trained, writer, "-o", "out"
    )
    refused(1, f"{trained_lstm} must be the same model as {trained}, but differs: ", trained, trained_lstm, "-o", "out")
    refused(1, f"{bottleneck} must be the same model as {trained_lstm}", trained_lstm, bottleneck, "-o", "out")
    said = f"{trained} must have kept the weights of two validations or more, but has kept 0"
    refused(1, said, trained, "-o", "out")
    plus = near(trained, "plus", 1)
    refused(2, "models must be averaged with others, but one is given twice", plus, plus, "-o", "out")
    refused(2, f"{plus} must be another model than those that are averaged", trained, plus, "-o", plus)
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine", encoding="utf-8")
    refused(2, "mine must be empty or a model directory, but is something else", trained, plus, "-o", "mine", "--force")
    Path("bare").mkdir()
    there = plus.resolve()
    with monkeypatch.context() as patch:
        patch.chdir("bare")
        refused(2, ". must be another folder than the one that nmt runs in", trained, there, "-o", ".")
    assert not Path("out").exists()
    taken = near(trained, "taken", 1)
    refused(2, "taken must be empty, but holds a model", trained, plus, "-o", taken)
    assert nmt("average", trained, plus, "-o", taken, "--force").exit_code == 0
    assert not Path("taken/corpus").exists()
    refused(1, "nowhere must be a model directory", "nowhere", "-o", "out")


def numbered(folder: Path, values: Sequence[float]) -> list[Ingredient]:
    """Models of one weight each."""
    for place, value in enumerate(values):
        write_tensors(folder / f"{place}", {"w": torch.tensor([value])}, {})
    return [Ingredient(str(place), ModelDirectory(folder), folder / f"{place}") for place in range(len(values))]


def taste(name: str, ingredients: Sequence[Ingredient]) -> Soup:
    """The nearer to 1, the better."""
    value = float(mean(ingredients)["w"])
    return Soup(name, tuple(ingredients), Validation(-abs(value - 1), "", "", {}))


def test_the_last_of_a_training(tmp_path: Path) -> None:
    states = numbered(tmp_path, [0.0, 2.0, 5.0, 8.0])
    tried = list(last(states, taste))
    assert [soup.ingredients for soup in tried] == [tuple(states[-count:]) for count in (2, 3, 4)]
    assert [-soup.found.score for soup in tried] == pytest.approx([5.5, 4.0, 2.75])


def test_a_greedy_soup(tmp_path: Path) -> None:
    models = numbered(tmp_path, [1.8, 0.4, 0.3, 5.0])
    tried = list(greedy([taste(each.name, [each]) for each in models], taste))
    assert [soup.name for soup in tried] == ["1 + 2", "1 + 0", "1 + 0 + 3"]
    assert [-soup.found.score for soup in tried] == pytest.approx([0.65, 0.1, 1.4])


def test_a_mean_is_exact_and_in_no_order(tmp_path: Path) -> None:
    torch.manual_seed(1)
    tensors = [{"a": torch.randn(40, 3), "b": torch.randn(5) * 1e6} for _ in range(4)]
    for place, each in enumerate(tensors):
        write_tensors(tmp_path / str(place), each, {})
    files = [Ingredient(str(place), ModelDirectory(tmp_path), tmp_path / str(place)) for place in range(4)]
    assert all(torch.equal(value, tensors[2][name]) for name, value in mean(files[2:3]).items())
    for chosen in combinations(range(4), 3):
        found = [mean([files[place] for place in order]) for order in (chosen, chosen[::-1])]
        for name, value in found[0].items():
            columns = torch.stack([tensors[place][name].double().flatten() for place in chosen], 1).tolist()
            exact = torch.tensor([math.fsum(numbers) / 3 for numbers in columns])
            torch.testing.assert_close(value.flatten(), exact, rtol=1e-7, atol=0)
            assert torch.equal(value, found[1][name])
    write_tensors(tmp_path / "other", {"a": torch.zeros(40, 4), "b": torch.zeros(5)}, {})
    with pytest.raises(ModelError, match=r"other must hold the same parameters as .*0, but holds others"):
        mean([files[0], Ingredient("other", ModelDirectory(tmp_path), tmp_path / "other")])
