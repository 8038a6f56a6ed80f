"""Files of strangers: what is damaged, cut or absurd is refused in one line, and nothing is believed that is not checked."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt_cli.errors import ModelError
from nmt_cli.interchange.marian_binary import read_binary
from nmt_cli.interchange.marian_items import Items
from nmt_cli.interchange.marian_npz import read_npz
from nmt_cli.interchange.marian_yaml import read, read_vocabulary

from . import marian
from .marian import Kind

KIND = Kind(vocabulary=6, width=4, inner=4, encoder=1, decoder=1, ssru=True)
TENSORS = marian.weights(KIND)
MANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)


def everything(items: Items) -> marian.Tensors:
    return {name: items.read(name) for name in items.tensors}


def refusal(call: Callable[[], object]) -> str | None:
    """What is said where something is refused; None where it is not."""
    try:
        call()
    except ModelError as error:
        return error.message
    return None


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole file of 8 bits."""
    path = tmp_path_factory.mktemp("binary") / "model.bin"
    marian.write_binary(path, TENSORS, KIND.config, whole=True)
    return path.read_bytes()


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("npz") / "model.npz"
    marian.write_npz(path, TENSORS, KIND.config)
    return path.read_bytes()


@pytest.mark.parametrize("whole", [True, False])
def test_a_container_holds_what_was_written(whole: bool, tmp_path: Path) -> None:
    worth = marian.write_binary(tmp_path / "model.bin", TENSORS, KIND.config, whole=whole)
    items = read_binary(tmp_path / "model.bin")
    found = everything(items)
    assert items.config == KIND.config
    assert list(found) == list(TENSORS)
    assert all(np.array_equal(found[name], worth[name]) for name in worth)


def test_an_archive_holds_what_was_written(npz: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(npz)
    items = read_npz(tmp_path / "model.npz")
    assert items.config == KIND.config
    assert all(np.array_equal(everything(items)[name], values) for name, values in TENSORS.items())


PLACES = st.integers(0, 2600) | st.integers(0, 2**31)
CHANGES = st.lists(st.tuples(PLACES, st.integers(0, 2**64 - 1) | st.integers(0, 300)), max_size=3)
"""Where, and the number that is written there."""
CUTS = st.just(2**31) | st.integers(0, 2**31)


def damaged(content: bytes, cut: int, changes: list[tuple[int, int]], size: int) -> bytes:
    """Cut behind its first bytes, and with numbers of ``size`` bytes written over it."""
    changed = bytearray(content[: max(8, cut % (2 * len(content)))])
    for place, number in changes:
        start = place % len(changed)
        changed[start : start + size] = struct.pack("<Q", number)[:size]
    return bytes(changed)


@MANY
@given(cut=CUTS, changes=CHANGES, size=st.sampled_from([1, 4, 8]))
def test_a_damaged_container_is_refused_or_read_but_never_believed(
    cut: int, changes: list[tuple[int, int]], size: int, binary: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.bin"
    path.unlink(missing_ok=True)  # the last one may still be mapped
    path.write_bytes(damaged(binary, cut, changes, size))
    said = refusal(lambda: everything(read_binary(path)))
    assert said is None or (str(path) in said and "\n" not in said)


@MANY
@given(cut=CUTS, changes=CHANGES, size=st.sampled_from([1, 4]))
def test_a_damaged_archive_is_refused_or_read_but_never_believed(
    cut: int, changes: list[tuple[int, int]], size: int, npz: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(damaged(npz, cut, changes, size))
    said = refusal(lambda: everything(read_npz(path)))
    assert said is None or (str(path) in said and "\n" not in said)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, 2, "must be of version 1, but is of 2"),
        (8, 2**63, "as it says, but has"),
        (8, 2**64 // 33, "as it says, but has"),
        (16, 0, "must hold names of 1 to 1023 bytes, but one has -1"),
        (16, 2**64 - 1, "must hold names of 1 to 1023 bytes"),
        (24, 0x4102, "must hold float32 or intgemm8, but Wemb is of type 0x4102"),
        (32, 2**62, "must hold tensors of up to 8 dimensions, but Wemb has 4,611,686,018,427,387,904"),
        (40, 2**64 - 8, "as it says, but has"),
        (40, 24, "must hold 28 bytes for Wemb of shape (6, 4), but has 24"),
        (40, 1024, "must hold 28 bytes for Wemb of shape (6, 4), but has 1,024"),
    ],
)
def test_a_header_that_cannot_be_true(place: int, value: int, said: str, binary: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(binary[:place] + struct.pack("<Q", value) + binary[place + 8 :])
    with pytest.raises(ModelError) as error:
        read_binary(path)
    assert said in error.value.message


@pytest.mark.parametrize("shape", [(-6, -4), (0, 4), (2**31 - 1, 2**31 - 1), (6, 5)])
def test_a_shape_that_cannot_be_true(shape: tuple[int, int], binary: bytes, tmp_path: Path) -> None:
    place = binary.index(struct.pack("<4i", 6, 4, 1, 6))
    path = tmp_path / "model.bin"
    path.write_bytes(binary[:place] + struct.pack("<2i", *shape) + binary[place + 8 :])
    with pytest.raises(ModelError, match="Wemb"):
        read_binary(path)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_numbers_that_are_none(scale: float, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    packed = dict(TENSORS)
    marian.write_binary(path, packed, KIND.config, whole=True)
    content = path.read_bytes()
    own = struct.pack("<f", np.float32(127 / np.abs(TENSORS["Wemb"]).max()))
    path.write_bytes(content.replace(own, struct.pack("<f", scale), 1))
    with pytest.raises(ModelError, match="must divide Wemb by a number above 0"):
        read_binary(path)
    packed["Wemb"] = np.full((6, 4), np.nan, "f4")
    marian.write_binary(path, packed, KIND.config, whole=False)
    with pytest.raises(ModelError, match="must hold finite numbers, but Wemb has others"):
        read_binary(path).read("Wemb")


def test_no_object_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("unpickled",))

    content = io.BytesIO()
    np.save(content, np.array([Trap()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "model.npz", "w") as archive:
        archive.writestr("Wemb.npy", content.getvalue())
    with pytest.raises(ModelError, match="must hold plain numbers row by row, but Wemb does not"):
        read_npz(tmp_path / "model.npz")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.zeros((4000, 4000), "f4"))
    with zipfile.ZipFile(tmp_path / "model.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Wemb.npy", content.getvalue())
    with pytest.raises(ModelError, match="bytes unpacked, but says 64,000,128"):
        read_npz(tmp_path / "model.npz")


def test_an_archive_that_numpy_did_not_write(npz: bytes, tmp_path: Path) -> None:
    """Packed by what damages break in other ways, or with names that would speak to a terminal."""
    with zipfile.ZipFile(io.BytesIO(npz)) as archive:
        name, *_ = archive.namelist()
        content = archive.read(name)
    escapes = "a\x1b[31mb\nerror: c.npy"
    for kind, called in ((zipfile.ZIP_LZMA, name), (zipfile.ZIP_BZIP2, name), (zipfile.ZIP_DEFLATED, escapes)):
        path = tmp_path / "model.npz"
        with zipfile.ZipFile(path, "w", kind) as archive:
            archive.writestr(called, content)
        with pytest.raises(ModelError, match="must hold tensors as NumPy writes them") as refused:
            read_npz(path)
        assert refused.value.message.isprintable()


def test_a_model_says_what_it_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", Wemb=np.zeros((4, 4), "f4"))
    with pytest.raises(ModelError, match=r"must hold its options in special:model\.yml"):
        read_npz(tmp_path / "model.npz")
    np.savez(tmp_path / "model.npz", Wemb=np.zeros((4, 4), "i4"))
    with pytest.raises(ModelError, match="must hold floating-point numbers, but Wemb is of type int32"):
        read_npz(tmp_path / "model.npz")


def test_the_little_of_yaml_that_marian_writes() -> None:
    text = """# made by hand
relative-paths: true
models:
  - model.npz  # the only one
vocabs: [a.yml, 'b.yml', "c\\x41.yml"]
beam-size: 6
normalize: 0.6
empty: ""
nothing:
none:
  []
version: v1.9.56 1a2b3c4 2021-01-01 10:00:00
"with: colon": -3
"""
    assert read(text, "decoder.yml") == {
        "relative-paths": True, "models": ["model.npz"], "vocabs": ["a.yml", "b.yml", "cA.yml"], "beam-size": 6,
        "normalize": 0.6, "empty": "", "nothing": None, "none": [], "version": "v1.9.56 1a2b3c4 2021-01-01 10:00:00",
        "with: colon": -3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["- 1", "a: &x 1", "a: *x", "a: !!python/object/apply:os.system [ls]", "a: |", "a:\n  b: 1", "a: 1\na: 2", "a: [1, [2]]",
     "a: {b: 1}", 'a: "\\q"', 'a: "\\U00110000"', "a", ": 1", "a: [1", "b" * 5000 + ": 1", "? a"],
)  # fmt: skip
def test_more_of_yaml_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"decoder\.yml:"):
        read(text, "decoder.yml")


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    for reader in (read, read_vocabulary):
        said = refusal(lambda reader=reader: reader(text, "vocab.yml"))  # type: ignore[misc]
        assert said is None or said.startswith("vocab.yml")


def test_vocabularies_are_numbered() -> None:
    assert read_vocabulary('"</s>": 0\n"<unk>": 1\n"\\"": 2\n', "v") == ["</s>", "<unk>", '"']
    assert read_vocabulary('{"</s>": 0, "b": 2, "a": 1}', "v") == ["</s>", "a", "b"]
    for damaged in ("a: 1", "a: 0\nb: 0", "a: 0\nb: 2", "a: x", "a: true", '{"a": 0.0}', '{"a"', "[1]", '{"a": [0]}'):
        with pytest.raises(ModelError, match=r"^v"):
            read_vocabulary(damaged, "v")
