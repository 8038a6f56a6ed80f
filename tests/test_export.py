"""``nmt export`` and ``nmt translate --engine ctranslate2``: the same model elsewhere, proved; and what is refused."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from sacrebleu import corpus_chrf

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ModelError
from nmt_cli.inference.ctranslate2 import Loaded, Request
from nmt_cli.inference.translator import Piece
from nmt_cli.interchange import proof
from nmt_cli.interchange.proof import Proof, Trial
from nmt_cli.runs.directory import CORPUS, ModelDirectory, weights_of
from nmt_cli.runs.exported import open_exported
from nmt_cli.runs.manifest import Manifest
from nmt_cli.search.base import Hypothesis
from nmt_cli.text.tokenizer import EOS

from .conftest import Nmt, run_nmt
from .test_translate import STRANGE, lines_of
from .tiny import config, random_batch

needs_ctranslate2 = pytest.mark.skipif(
    importlib.util.find_spec("ctranslate2") is None, reason="needs ctranslate2: pip install 'nmt-cli[ctranslate2]'"
)

Make = Callable[..., Path]
VARIANTS: dict[str, dict[str, Any]] = {
    "pre-norm": {},
    "post-norm": {"residual": "post-norm", "tie": "two-way"},
    "rmsnorm": {"norm": "rmsnorm", "tie": "none"},
    "post-norm with rmsnorm": {"residual": "post-norm", "norm": "rmsnorm"},
    "gelu": {"activation": "gelu"},
    "as Marian's": {
        "residual": "post-norm", "activation": "swish", "positions": "timing", "norm_epsilon": 1e-6, "tie": "two-way",
    },
    "swiglu": {"activation": "swiglu"},
    "learned": {"positions": "learned", "max_positions": 20},
    "rotary": {"positions": "rotary"},
    "deep and shallow": {"encoder_layers": 3, "decoder_layers": 1},
    "shallow and deep": {"encoder_layers": 1, "decoder_layers": 4, "heads": 4},
    "one head": {"heads": 1, "feed_forward": 7},
    "all of it": {
        "residual": "post-norm", "norm": "rmsnorm", "activation": "swiglu", "positions": "rotary", "tie": "none",
        "encoder_layers": 3, "heads": 4,
    },
}  # fmt: skip


@pytest.fixture
def make(trained: Path, tmp_path: Path) -> Make:
    """``make(positions="rotary")``: a model with random weights, and no corpus of its own."""

    def made(**changes: Any) -> Path:
        path = shutil.copytree(trained, tmp_path / "made", ignore=shutil.ignore_patterns(CORPUS, "training"))
        directory = ModelDirectory(path)
        settings = config("transformer", **changes)
        torch.manual_seed(0)
        model = settings.build(directory.sizes)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            hidden, _ = model._hidden(random_batch(50, vocabulary=directory.tokenizer.size))
            ahead = model.output(hidden).max(1).values - model.output(hidden)[:, 0]
            model.output.bias[EOS] += ahead.quantile(0.5)  # some sentences end early, others at their limit
        replace(directory.manifest, request={}).write(path)  # nobody has asked for these
        ModelDirectory(path).write_settings(directory.settings.model_copy(update={"model": settings}))
        ModelDirectory(path).write_weights(weights_of(model), {})
        return path

    return made


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``trained``, for CTranslate2. Not to be changed."""
    if importlib.util.find_spec("ctranslate2") is None:
        pytest.skip("needs ctranslate2: pip install 'nmt-cli[ctranslate2]'")
    output = tmp_path_factory.mktemp("exported") / "model"
    result = run_nmt("export", trained, "--to", "ctranslate2", "-o", output)
    assert result.exit_code == 0, result.stderr
    assert "proved on 50 lines of text: " in result.stderr
    return output


@pytest.fixture(scope="module")
def sentences(small: Path) -> list[str]:
    return (small / "a.en").read_text(encoding="utf-8").split("\n")[:30]


def elsewhere(nmt: Nmt, exported: Path, text: str, *options: object) -> list[str]:
    """What the exported model answers."""
    result = nmt("translate", exported, "--engine", "ctranslate2", *options, input=text)
    assert result.exit_code == 0, result.stderr
    return lines_of(result.stdout_bytes)


def here(nmt: Nmt, model: Path, text: str, *options: object) -> list[str]:
    """What our own engine answers."""
    result = nmt("translate", model, *options, input=text)
    assert result.exit_code == 0, result.stderr
    return lines_of(result.stdout_bytes)


@needs_ctranslate2
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_transformer_is_the_same_there(
    variant: str, make: Make, nmt: Nmt, tmp_path: Path, sentences: list[str]
) -> None:
    model, output = make(**VARIANTS[variant]), tmp_path / "exported"
    result = nmt("export", model, "--to", "ctranslate2", "-o", output)
    assert result.exit_code == 0, result.stderr
    assert "proved on 50 lines of random subwords: " in result.stderr
    text = "".join(f"{line}\n" for line in sentences)
    equal, _ = same_or_tied(nmt, model, output, text, "--search", "greedy")
    assert equal >= 0.9 * len(sentences), "greedy search ends as ours does"
    same_or_tied(nmt, model, output, text, "--beam", 4, "--patience", 1)


def same_or_tied(nmt: Nmt, model: Path, exported: Path, text: str, *search: object) -> tuple[int, int]:
    """Where two translations differ, their scores are equal, or one of them reached its limit: there CTranslate2 cuts.

    The same tokens have the same log-probability. Returns how many are the same, and of how many none reached its limit.
    """
    own, other = (
        [json.loads(line) for line in ask(nmt, path, jsonl(text), "--format", "jsonl", *search)]
        for ask, path in ((here, model), (elsewhere, exported))
    )
    directory = ModelDirectory(model)
    limits = [directory.manifest.limit(len(directory.tokenizer.encode(each["text"])) + 1) for each in own]  # type: ignore[misc]
    free = equal = 0
    for mine, theirs, limit in zip(own, other, limits, strict=True):
        if mine["tokens"] == theirs["tokens"]:
            equal += 1
            assert mine["log_prob"] == pytest.approx(theirs["log_prob"], abs=1e-3 * len(mine["tokens"]))
            assert mine["score"] == pytest.approx(theirs["score"], abs=1e-3)
        if max(len(mine["tokens"]), len(theirs["tokens"])) < limit:
            free += 1
            assert mine["score"] == pytest.approx(theirs["score"], abs=2e-3)
    assert equal >= 0.9 * free
    return equal, free


def jsonl(text: str) -> str:
    return "".join(json.dumps({"text": line}) + "\n" for line in lines_of(text))


def test_a_trained_model_translates_the_same(trained: Path, exported: Path, nmt: Nmt, sentences: list[str]) -> None:
    text = "".join(f"{line}\n" for line in sentences)
    equal, _ = same_or_tied(nmt, trained, exported, text, "--search", "greedy")
    assert equal >= 0.9 * len(sentences)
    _, free = same_or_tied(nmt, trained, exported, text, "--patience", 1, "--length-penalty", 0.6, "--n-best", 3)
    assert free >= 10


def test_one_line_in_one_line_out(exported: Path, nmt: Nmt, sentences: list[str]) -> None:
    lines = [*STRANGE.values(), *sentences, "word " * 400, ""]
    answers = elsewhere(nmt, exported, "".join(f"{line}\n" for line in lines))
    assert len(answers) == len(lines)
    assert answers[-1] == answers[list(STRANGE).index("blank")] == ""
    alone = [elsewhere(nmt, exported, line + "\n")[0] for line in sentences[:8]]
    assert alone == answers[len(STRANGE) : len(STRANGE) + 8], "neighbours change nothing"
    twice = elsewhere(nmt, exported, "".join(f"{line}\n" for line in lines), "--workers", 2, "--stream")
    assert twice == answers


def test_what_is_asked_for_is_honoured(exported: Path, nmt: Nmt, sentences: list[str]) -> None:
    text = "".join(f"{line}\n" for line in sentences[:10])
    best = elsewhere(nmt, exported, text)
    rows = [line.split("\t") for line in elsewhere(nmt, exported, text, "--n-best", 3, "--format", "tsv")]
    assert [row[4] for row in rows if row[1] == "1"] == best
    assert {row[1] for row in rows} == {"1", "2", "3"}
    for first, second in pairwise(rows):
        assert second[1] == "1" or (first[0] == second[0] and float(first[2]) >= float(second[2]))
    told = [json.loads(line) for line in elsewhere(nmt, exported, jsonl(text), "--format", "jsonl", "--token-scores")]
    for each in told:
        assert sum(each["token_log_probs"]) == pytest.approx(each["log_prob"])
        assert each["tokens"][-1] == EOS
    longest = [
        json.loads(line) for line in elsewhere(nmt, exported, jsonl(text), "--format", "jsonl", "--max-length", 3)
    ]
    assert max(len(each["tokens"]) for each in longest) == 4
    bent = ("--min-length", 8, "--no-repeat", 2, "--format", "jsonl")
    for each in map(json.loads, elsewhere(nmt, exported, jsonl(text), *bent)):
        tokens = each["tokens"][:-1]
        assert len(tokens) >= 8
        assert len(set(pairwise(tokens))) == len(tokens) - 1
    far = json.loads(elsewhere(nmt, exported, jsonl("Why?\n"), "--min-length", 300, "--format", "jsonl")[0])
    assert len(far["tokens"]) > 300, "the line's own limit is lower"
    refused = nmt("translate", exported, "--engine", "ctranslate2", "--min-length", 10**6, input=text)
    assert (refused.exit_code, "error: --min-length must be below" in refused.stderr) == (2, True)
    prefixed = elsewhere(nmt, exported, "".join(f"{line}\tGuten Tag\n" for line in sentences[:10]), "--prefix")
    assert all(line.startswith("Guten Tag") for line in prefixed)
    assert elsewhere(nmt, exported, text, "--patience", 3) != []


def test_log_probabilities_are_those_of_the_tokens(
    exported: Path, trained: Path, nmt: Nmt, sentences: list[str], tmp_path: Path
) -> None:
    """Law 3, over both engines: also where the limit cut, or something was forbidden."""
    text = jsonl("".join(f"{line}\n" for line in sentences))
    for options in ((), ("--max-length", 4), ("--min-length", 8, "--no-repeat", 2), ("--search", "greedy")):
        found = tmp_path / "found.jsonl"
        found.write_text(
            "\n".join(elsewhere(nmt, exported, text, "--format", "jsonl", *options)) + "\n", encoding="utf-8"
        )
        result = nmt("logprob", trained, found, "--input", "jsonl")
        assert result.exit_code == 0, result.stderr
        said = [json.loads(line)["log_prob"] for line in found.read_text(encoding="utf-8").splitlines()]
        assert list(map(float, lines_of(result.stdout))) == pytest.approx(said, abs=1e-2)


def test_it_leaves_the_threads_of_torch_alone(exported: Path) -> None:
    """Both listen to one OpenMP, and what torch computes in two threads is rounded otherwise than in one."""
    for workers in (1, 2):
        loaded = Loaded.open(open_exported(exported, "ctranslate2"), workers=workers)
        assert torch.get_num_threads() == 1
        assert list(loaded.run(Request(), [[Piece((5, 6), 0)]]))
        assert torch.get_num_threads() == 1


def test_the_folder_stands_alone(exported: Path, nmt: Nmt, tmp_path: Path, sentences: list[str]) -> None:
    moved = shutil.copytree(exported, tmp_path / "moved")
    assert sorted(path.name for path in moved.iterdir()) == [
        "config.json", "config.toml", "manifest.json", "model.bin", "shared_vocabulary.json", "subwords.model",
    ]  # fmt: skip
    text = "".join(f"{line}\n" for line in sentences)
    assert elsewhere(nmt, moved, text) == elsewhere(nmt, exported, text)
    assert Manifest.read(moved).exported == "ctranslate2"
    (moved / "model.bin").write_bytes((moved / "model.bin").read_bytes()[:1000])
    result = nmt("translate", moved, "--engine", "ctranslate2", input=text)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {moved} must be a whole model of CTranslate2, but")


def test_int8_tells_how_much_it_differs(trained: Path, exported: Path, nmt: Nmt, tmp_path: Path, small: Path) -> None:
    output = tmp_path / "int8"
    result = nmt(
        "export", trained, "--to", "ctranslate2", "-o", output, "--quantization", "int8", "--dev", small / "a.en", small / "a.de"
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "proved on 50 lines of text: " in result.stderr
    (told,) = [line for line in result.stderr.split("\n") if line.startswith("int8: chrF2 ")]
    pairs = Trial.of(ModelDirectory.open(trained), (small / "a.en", small / "a.de"), tmp_path).pairs
    text = "".join(f"{ModelDirectory.open(trained).tokenizer.decode(source)}\n" for source, _ in pairs)
    greedy = ("--search", "greedy")
    chrf = corpus_chrf(elsewhere(nmt, output, text, *greedy), [here(nmt, trained, text, *greedy)]).score
    assert float(told.split()[2]) == pytest.approx(chrf, abs=0.06)
    assert float(told.split(" differs by ")[1].split()[0]) < 0.5  # nats; another model would be off by several
    sizes = [(folder / "model.bin").stat().st_size for folder in (output, exported)]
    assert sizes[0] < 0.6 * sizes[1]
    assert len(elsewhere(nmt, output, "Good morning.\n")) == 1


@needs_ctranslate2
@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("_IMPOSSIBLE", 0.0),
        ("most_positions", lambda _: 4),
        ("_look", lambda *_: None),
        ("_norm", lambda spec, norm: _scaled(spec, norm)),
        ("_embed", lambda spec, embedding: setattr(spec, "weight", embedding.table.detach().numpy() * 1.01)),
    ],
)
def test_a_damaged_model_is_not_written(
    name: str, damaged: Any, trained: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"nmt_cli.interchange.ctranslate2.{name}", damaged)
    result = nmt("export", trained, "--to", "ctranslate2", "-o", tmp_path / "new" / "exported")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def _scaled(spec: Any, norm: Any) -> None:
    spec.gamma = norm.weight.detach().numpy() * 0.99
    if hasattr(spec, "beta"):
        spec.beta = norm.bias.detach().numpy()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Proof(0.002, 0.0, 9, 0.0, ("a",), ("a",)), "0.0020 lies between"),
        (Proof(float("nan"), 0.0, 9, 0.0, ("a",), ("a",)), "nan lies between"),
        (Proof(0.0, 0.0, 9, 0.01, ("a",), ("b",)), "0.0100 less probable"),
    ],
)
def test_what_a_proof_refuses(found: Proof, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        found.check()


def test_translations_may_part_at_ties_alone(trained: Path) -> None:
    """A search that takes the second best token once is caught."""
    directory = ModelDirectory.open(trained)
    trial = Trial(((tuple(directory.tokenizer.encode("Good morning.")), (5, 6)),), "")
    model: Any = directory.model()
    ours = proof._log_probs(model, trial.pairs)
    pieces = [Piece(source, 0) for source, _ in trial.pairs]
    (greedy,) = proof._greedy(model, directory, pieces)

    def search(tokens: tuple[int, ...]) -> Proof:
        return proof.prove(directory, trial, lambda _: ours, lambda _: [[Hypothesis(tokens, 0.0, 0.0)]])

    assert search(greedy).widest == 0.0
    assert search((*greedy[:1], EOS)).widest > 0.0
    assert search((EOS,)).widest == pytest.approx(_gap(model, pieces[0].ids, greedy[0]))


def _gap(model: Any, source: tuple[int, ...], first: int) -> float:
    with torch.inference_mode():
        scores, _ = model.step(*model.start(Sequences.of([source])))
    return float((scores.of(torch.tensor([first])) - scores.of(torch.tensor([EOS])))[0])


def test_where_there_is_no_text_random_subwords_stand_in(own: Path, tmp_path: Path) -> None:
    shutil.rmtree(own / CORPUS)
    trial = Trial.of(ModelDirectory.open(own), (), tmp_path)
    assert trial.origin == "50 lines of random subwords"
    assert min(min(side) for pair in trial.pairs for side in pair) > EOS
    assert len({len(source) for source, _ in trial.pairs}) > 10
    for side, name in ((0, "dev.en"), (1, "dev.de")):
        (tmp_path / name).write_text("".join(f"Guten Tag {number}{side}.\n" for number in range(3)), encoding="utf-8")
    files = (tmp_path / "dev.en", tmp_path / "dev.de")
    mixed = Trial.of(ModelDirectory.open(own), files, tmp_path)
    assert mixed.origin == "3 lines of text and 47 lines of random subwords"
    assert mixed.pairs[3:] == trial.pairs[:47]


@pytest.mark.parametrize(
    ("changes", "found"),
    [({"autoregression": "ssru"}, "architecture = transformer, autoregression = ssru")],
)
def test_what_ctranslate2_cannot_run(changes: dict[str, Any], found: str, make: Make, nmt: Nmt, tmp_path: Path) -> None:
    refused(nmt, make(**changes), found, tmp_path)


def test_recurrent_models_and_other_tasks(
    trained_lstm: Path, writer: Path, classifier: Path, nmt: Nmt, tmp_path: Path
) -> None:
    refused(nmt, trained_lstm, "architecture = recurrent", tmp_path)
    for model, task in ((writer, "lm"), (classifier, "classify")):
        result = nmt("export", model, "--to", "ctranslate2", "-o", tmp_path / "out")
        assert result.exit_code == 1
        assert f"error: {model} must be a translation model, but was trained for the task {task}" in result.stderr


def refused(nmt: Nmt, model: Path, found: str, folder: Path) -> None:
    result = nmt("export", model, "--to", "ctranslate2", "-o", folder / "out")
    assert result.exit_code == 1
    known = "architecture = transformer, autoregression = attention"
    assert f"error: {model} must be what ctranslate2 can run ({known}), but is {found}\nhint: " in result.stderr
    assert not (folder / "out").exists()


def test_what_is_typed_wrongly(trained: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    for options, error in (
        (("--to", "ctranslate", "-o", tmp_path / "x"), "error: --to must be a known name, but is 'ctranslate'\nhint: did you mean"),
        (("--to", "ctranslate2", "-o", "."), "error: . must be another folder than the one that nmt runs in\nhint: -o NAME"),
        (("--to", "ctranslate2", "--output", tmp_path), "error: " f"{tmp_path} must be a new folder"),
        (("--to", "ctranslate2", "-o", tmp_path / "taken"), "error: " f"{tmp_path / 'taken'} must be a new folder"),
        (
            ("--to", "ctranslate2", "-o", tmp_path / "x", "--quantization", "int4"),
            "error: --quantization must be float32 or int8, but is 'int4'\nhint: did you mean int8?",
        ),
    ):  # fmt: skip
        result = nmt("export", trained, *options)
        assert result.exit_code == 2
        assert error in result.stderr
    result = nmt("export", trained, "--to", "ctranslate2", "-o", tmp_path / "x", "--dev", "no.en", "no.de")
    assert result.exit_code in (1, 2)
    assert "error: " in result.stderr
    assert not (tmp_path / "x").exists()


def test_engines_and_models_go_together(trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    result = nmt("translate", trained, "--engine", "ctranslate2", input="Good morning.\n")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"error: {trained} must be a model that was exported to ctranslate2, but is one of nmt"
    )
    assert f"hint: nmt export {trained} --to ctranslate2 -o exported" in result.stderr
    result = nmt("translate", tmp_path / "none", "--engine", "ctranslate2", input="")
    assert "but there is no such folder\nhint: nmt export model --to ctranslate2" in result.stderr
    result = nmt("translate", trained, "--engine", "ctranslate3", input="")
    assert (result.exit_code, result.stderr.split("\n")[1]) == (2, "hint: did you mean ctranslate2?")
    assert nmt("translate", trained, "--engine", "nmt", input="Good morning.\n").exit_code == 0


def test_an_exported_model_says_which_engine_runs_it(exported: Path, nmt: Nmt) -> None:
    for command in (
        ("translate", exported),
        ("inspect", exported),
        ("export", exported, "--to", "ctranslate2", "-o", "x"),
    ):
        result = nmt(*command, input="")
        assert result.exit_code == 1
        assert f"error: {exported} must be a model of nmt itself, but was exported to ctranslate2" in result.stderr
        assert f"hint: nmt translate {exported} --engine ctranslate2 runs it" in result.stderr


def test_without_the_package(
    trained: Path, own: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    manifest = json.loads((own / "manifest.json").read_text(encoding="utf-8"))
    (own / "manifest.json").write_text(json.dumps({**manifest, "exported": "ctranslate2"}), encoding="utf-8")
    for command in (
        ("export", trained, "--to", "ctranslate2", "-o", tmp_path / "x"),
        ("translate", own, "--engine", "ctranslate2"),
    ):
        result = nmt(*command, input="Good morning.\n")
        assert result.exit_code == 2
        assert result.stderr == (
            "error: the engine ctranslate2 must be installed, but is not\nhint: pip install 'nmt-cli[ctranslate2]'\n"
        )


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--search", "sample"), "--search must be beam or greedy for --engine ctranslate2, but is 'sample'"),
        (("--search", "exact"), "--search must be beam or greedy for --engine ctranslate2, but is 'exact'"),
        (("--ban", "Herr"), "--ban means nothing to --engine ctranslate2"),
        (("--coverage", 0.2), "--coverage means nothing"),
        (("--norm", "google"), "--norm means nothing"),
        (("--repetition-penalty", 1.2), "--repetition-penalty means nothing"),
        (("--glossary", "terms.tsv"), "--glossary means nothing"),
        (("--ensemble", "other"), "--ensemble means nothing"),
        (("--ensemble", "other", "--weight", 1, "--weight", 2), "--ensemble means nothing"),
        (("--lm", "lm"), "--lm means nothing"),
        (("--layer", 1), "--layer means nothing"),
        (("--alignment", "--format", "tsv"), "--alignment (or --format pharaoh) means nothing"),
        (("--format", "pharaoh"), "--alignment (or --format pharaoh) means nothing"),
        (("--attention", "--format", "jsonl"), "--attention means nothing"),
        (
            ("--beam", 4, "--n-best", 3, "--patience", 0.5),
            "--n-best must be at most --beam times --patience (2), but is 3",
        ),
        (("--beam", 2, "--n-best", 3), "--n-best must lie between 1 and the beam (2), but is 3"),
        (("--search", "greedy", "--beam", 3), "--beam means nothing to greedy search"),
        (("--workers", 0), "--workers must be at least 1, but is 0"),
        (("--min-length", 5, "--max-length", 3), "--max-length must not be below --min-length (5), but is 3"),
    ],
)
def test_options_that_it_cannot_honour(options: tuple[object, ...], error: str, exported: Path, nmt: Nmt) -> None:
    result = nmt("translate", exported, "--engine", "ctranslate2", *options, input="Good morning.\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"error: {error}" in result.stderr
    assert result.stderr.count("\n") <= 2


def test_training_says_what_can_be_exported(small: Path, nmt: Nmt, tmp_path: Path) -> None:
    for name, words, said in (
        ("a", ("--preset", "transformer-tiny"), "can be exported to ctranslate2 (nmt export)"),
        ("b", ("--preset", "transformer-ssru"), "cannot be exported to other toolkits"),
        ("c", ("--preset", "rnn", "--set", "model.hidden=16"), "cannot be exported to other toolkits"),
    ):
        tiny = ("--set", "model.width=16", "--updates", 1)
        result = nmt("train", small / "a.en", small / "a.de", "-o", tmp_path / name, *words, *tiny)
        assert result.exit_code == 0, result.stderr
        assert said in result.stderr.split("\n")
