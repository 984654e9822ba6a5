"""Presets: found, loaded, checked, imported, and written whole or not at all."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lptn_retouch.errors import InvalidPresetError, PresetNotFoundError, UsageError
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import LPTN
from lptn_retouch.preset import (
    find_preset,
    import_preset,
    list_presets,
    load_preset,
    preset_folders,
    user_folder,
    write_preset,
)
from lptn_retouch.retoucher import retouch

Sentence = Callable[[object], str]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def published(shared: Path) -> Path:
    file = shared / "weights" / "net_g_FiveK_numhigh3.pth"
    if not file.is_file():
        pytest.skip(f"the published weights are not here: {file}")
    return file


# Find and load.


def test_the_users_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "mine"))
    assert user_folder() == tmp_path / "mine"
    assert preset_folders()[0] == tmp_path / "mine"
    assert not (tmp_path / "mine").exists(), "looking makes no folders"
    monkeypatch.delenv("LPTN_RETOUCH_PRESETS")
    assert "lptn_retouch" in str(user_folder())


def test_presets_are_listed_in_order(presets: Path, tiny: GradedLPTN) -> None:
    for name in ("zebra", "Alpha", "beta.2"):
        write_preset(presets / f"{name}.safetensors", tiny.state_dict(), {})
    names = list_presets()
    assert {"tiny", "zebra", "Alpha", "beta.2"} <= set(names)
    assert names == sorted(names)


def test_every_name_listed_can_be_found(presets: Path) -> None:
    """A folder, a hidden leftover and a name with escape codes in it are no presets."""
    whole = (presets / "tiny.safetensors").read_bytes()
    (presets / "folder.safetensors").mkdir()
    (presets / ".hidden.safetensors").write_bytes(whole)
    (presets / "two words.safetensors").write_bytes(whole)
    if os.name != "nt":
        (presets / "\x1b[31mred.safetensors").write_bytes(whole)
    for name in list_presets():
        assert find_preset(name).is_file()
        assert name.isprintable()


def test_a_preset_is_loaded_with_what_its_header_says(presets: Path) -> None:
    preset = load_preset("tiny")
    assert (preset.name, preset.architecture) == ("tiny", "graded-lptn")
    assert preset.header == {
        "summary": "Tiny.", "version": "3", "training_data": "none", "licence": "Apache-2.0"
    }  # fmt: skip
    assert preset.path == presets / "tiny.safetensors"
    assert preset.sha256 == hashlib.sha256(preset.path.read_bytes()).hexdigest()
    assert not preset.network.training
    assert preset.card == ""
    (presets / "tiny.md").write_text("# Tiny\n\nOf no use\x1b[31m.\n", "utf-8")
    assert preset.card == "# Tiny\n\nOf no use[31m.\n"


def test_a_preset_is_found_by_name_and_by_path(presets: Path, tmp_path: Path) -> None:
    path = presets / "tiny.safetensors"
    assert find_preset("tiny") == find_preset(path) == find_preset(str(path)) == path
    elsewhere = tmp_path / "of any name.safetensors"
    elsewhere.write_bytes(path.read_bytes())
    assert load_preset(elsewhere).name == "of any name"


@pytest.mark.parametrize("name", ["nosuch", "", "../presets/tiny", "a/b", "tiny\n", "Ti ny", "\x1b[31m", "a\0b", "."])
def test_an_unknown_name_lists_those_there_are(presets: Path, one_sentence: Sentence, name: str) -> None:
    assert presets.is_dir()
    with pytest.raises(PresetNotFoundError) as caught:
        load_preset(name)
    message = one_sentence(caught.value)
    assert ", ".join(list_presets()) in message


@pytest.mark.parametrize("name", ["nosuch.safetensors", "\x1b[31m.safetensors", "a\0.safetensors", "a\nb.safetensors"])
def test_an_unknown_path_is_said_to_be_missing(presets: Path, one_sentence: Sentence, name: str) -> None:
    with pytest.raises(PresetNotFoundError) as caught:
        load_preset(presets / name)
    one_sentence(caught.value)


def test_a_users_preset_comes_before_a_shipped_one(
    presets: Path, tmp_path: Path, tiny: GradedLPTN, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    write_preset(shipped / "tiny.safetensors", tiny.state_dict(), {"summary": "Shipped."})
    write_preset(shipped / "other.safetensors", tiny.state_dict(), {"summary": "Shipped."})
    monkeypatch.setattr("lptn_retouch.preset._shipped_folders", lambda: [shipped, tmp_path / "nowhere"])
    assert preset_folders() == [presets, shipped]
    assert list_presets() == ["other", "tiny"]
    assert load_preset("tiny").header["summary"] == "Tiny."
    assert load_preset("other").header["summary"] == "Shipped."


def test_a_file_that_is_no_preset_is_named(presets: Path, one_sentence: Sentence, tiny: GradedLPTN) -> None:
    bad = presets / "bad.safetensors"
    contents = [b"", b"{}", bytes(100)]
    for content in contents:
        bad.write_bytes(content)
        with pytest.raises(InvalidPresetError) as caught:
            load_preset("bad")
        assert "bad.safetensors" in one_sentence(caught.value)
    save_file(tiny.state_dict() | {"grade.eye.0.bias": torch.full((16,), torch.nan)}, bad)
    with pytest.raises(InvalidPresetError) as caught:
        load_preset("bad")
    assert "bad.safetensors" in one_sentence(caught.value)


def test_a_header_that_names_another_architecture_is_refused(
    presets: Path, one_sentence: Sentence, tiny: GradedLPTN
) -> None:
    for said in ("lptn-paper", "\x1b[31m\n" + "x" * 10_000, ""):
        save_file(tiny.state_dict(), presets / "bad.safetensors", metadata={"architecture": said})
        with pytest.raises(InvalidPresetError) as caught:
            load_preset("bad")
        assert "graded-lptn" in one_sentence(caught.value)


def test_a_header_without_fields_is_read(presets: Path, tiny: GradedLPTN) -> None:
    save_file(tiny.state_dict(), presets / "plain.safetensors")
    assert set(load_preset("plain").header.values()) == {""}


def test_escape_codes_in_a_header_are_not_passed_on(presets: Path, tiny: GradedLPTN) -> None:
    hostile = {"summary": "\x1b]0;title\x07\x9b31mred\u202e", "licence": "ok"}
    save_file(tiny.state_dict(), presets / "hostile.safetensors", metadata=hostile)
    header = load_preset("hostile").header
    assert header["summary"] == "]0;title31mred"
    assert header["licence"] == "ok"
    import_preset(presets / "hostile.safetensors", "imported")
    with safe_open(presets / "imported.safetensors", "pt") as file:
        assert file.metadata()["summary"] == "]0;title31mred"


# Import.


def test_the_published_weights_are_imported_with_their_own_network(presets: Path, published: Path) -> None:
    path = import_preset(published, "fivek")
    assert path == presets / "fivek.safetensors"
    preset = load_preset("fivek")
    assert preset.architecture == "lptn-released"
    assert published.name in preset.header["summary"]
    golden = load_file(GOLDEN / "fivek_official_outputs.safetensors")
    for case in ("case0", "case1"):
        picture = golden[f"{case}/input"].clamp(0, 1)
        result = retouch(picture[0].permute(1, 2, 0).contiguous().numpy(), "fivek", device="cpu")
        assert result.dtype == np.float32
        expected = golden[f"{case}/output"].clamp(0, 1)[0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(result, expected, atol=1e-4, rtol=0)
        assert float(np.abs(result - picture[0].permute(1, 2, 0).numpy()).mean()) > 0.01


def test_a_published_network_of_our_own_making_is_imported(presets: Path, tmp_path: Path) -> None:
    """As the test above, where the real weights are not."""
    golden = load_file(GOLDEN / "paper_L3.safetensors")
    weights = {k.removeprefix("weights/"): v for k, v in golden.items() if k.startswith("weights/")}
    torch.save({"params": weights}, tmp_path / "paper.pth")
    assert import_preset(tmp_path / "paper.pth", "paper").parent == presets
    preset = load_preset("paper")
    assert preset.architecture == "lptn-paper"
    assert isinstance(preset.network, LPTN)
    picture = golden["case1/input"]
    result = retouch(picture[0].permute(1, 2, 0).contiguous().numpy(), preset, device="cpu")
    expected = golden["case1/output"].clamp(0, 1)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(result, expected, atol=1e-4, rtol=0)


def test_a_preset_is_imported_with_its_header(presets: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.safetensors"
    given.write_bytes((presets / "tiny.safetensors").read_bytes())
    import_preset(given, "again", header={"licence": "MIT"})
    header = load_preset("again").header
    assert header == {"summary": "Tiny.", "version": "3", "training_data": "none", "licence": "MIT"}
    network, again = load_preset("tiny").network.state_dict(), load_preset("again").network.state_dict()
    assert all(torch.equal(network[k], again[k]) for k in network)


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "a\\b", "x" * 70, ".hidden", "-p", "two words", "new\nline", "\x1b[31m", "ä", "a\0"]
)
def test_a_name_that_cannot_be_one_is_refused(
    presets: Path, tmp_path: Path, tiny: GradedLPTN, one_sentence: Sentence, name: str
) -> None:
    torch.save(tiny.state_dict(), tmp_path / "a.pth")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as caught:
        import_preset(tmp_path / "a.pth", name)
    one_sentence(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert presets.is_dir()


def test_a_name_that_is_taken_is_refused(
    presets: Path, tmp_path: Path, one_sentence: Sentence, tiny: GradedLPTN, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    write_preset(shipped / "ours.safetensors", tiny.state_dict(), {})
    monkeypatch.setattr("lptn_retouch.preset._shipped_folders", lambda: [shipped])
    torch.save(tiny.state_dict(), tmp_path / "a.pth")
    before = (presets / "tiny.safetensors").read_bytes()
    for name in ("tiny", "ours"):
        with pytest.raises(UsageError) as caught:
            import_preset(tmp_path / "a.pth", name)
        assert name in one_sentence(caught.value)
    assert (presets / "tiny.safetensors").read_bytes() == before
    assert not (presets / "ours.safetensors").exists()


def test_a_file_that_cannot_be_imported_is_named(presets: Path, tmp_path: Path, one_sentence: Sentence) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "odd.pth")
    (tmp_path / "net.onnx").write_bytes(b"")
    cases = [
        ("odd.pth", InvalidPresetError),
        ("missing.pth", InvalidPresetError),
        ("missing.safetensors", InvalidPresetError),
        ("net.onnx", UsageError),
    ]
    for file, error in cases:
        with pytest.raises(error) as caught:
            import_preset(tmp_path / file, "new")
        assert file in one_sentence(caught.value)
    assert [file.name for file in presets.iterdir()] == ["tiny.safetensors"]


# Write.


def test_what_is_written_is_what_is_loaded(tmp_path: Path, tiny: GradedLPTN) -> None:
    weights = {k: v.double() for k, v in tiny.state_dict().items()}
    path = write_preset(tmp_path / "deep" / "down" / "a.safetensors", weights, {"summary": "Ä."})
    assert [file.name for file in path.parent.iterdir()] == ["a.safetensors"]
    preset = load_preset(path)
    assert preset.header["summary"] == "Ä."
    assert all(torch.equal(v, tiny.state_dict()[k]) for k, v in preset.network.state_dict().items())
    with safe_open(path, "pt") as file:
        assert file.metadata()["format"] == "lptn-retouch preset 1"
        assert file.metadata()["architecture"] == "graded-lptn"


@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_old_file(
    presets: Path, fill: Callable[..., GradedLPTN], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    path = presets / "tiny.safetensors"
    before = path.read_bytes()
    other = fill(GradedLPTN(width=8, blocks=2, mask_width=4), 1)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(where, fail)
        with pytest.raises(Exception, match="No space left"):
            write_preset(path, other.state_dict(), {})
    assert path.read_bytes() == before
    assert [file.name for file in presets.iterdir()] == ["tiny.safetensors"]
    write_preset(path, other.state_dict(), {})
    assert path.read_bytes() != before


def test_weights_that_are_no_network_are_not_written(presets: Path, one_sentence: Sentence, tiny: GradedLPTN) -> None:
    before = (presets / "tiny.safetensors").read_bytes()
    bad = tiny.state_dict() | {"grade.eye.0.bias": torch.full((16,), torch.inf)}
    with pytest.raises(InvalidPresetError) as caught:
        write_preset(presets / "tiny.safetensors", bad, {})
    assert "tiny.safetensors" in one_sentence(caught.value)
    assert (presets / "tiny.safetensors").read_bytes() == before
    assert [file.name for file in presets.iterdir()] == ["tiny.safetensors"]
