"""Presets: found, loaded, checked, and written whole or not at all. How they travel: test_sharing.py."""

import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lptn_retouch.errors import InvalidPresetError, PresetError, PresetNotFoundError, UsageError
from lptn_retouch.model.checkpoint import read_published
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import LPTN
from lptn_retouch.preset import (
    find_preset,
    list_presets,
    load_preset,
    preset_folders,
    user_folder,
    write_preset,
)

Sentence = Callable[[object], str]


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
    (presets / "tiny.md").write_bytes(b"# Tiny\r\n\r\nOf no use\x1b[31m.\n")
    assert load_preset("tiny").card == "# Tiny\n\nOf no use[31m.\n"


def test_a_preset_can_be_sent_to_another_process_and_be_changed(presets: Path) -> None:
    preset = load_preset("tiny")
    assert presets.is_dir() and preset.network is preset.network
    sent = pickle.loads(pickle.dumps(preset))
    assert sent == preset and "network" not in vars(sent)
    still = replace(preset, weights={name: np.zeros_like(array) for name, array in preset.weights.items()})
    for changed, wanted in ((sent, preset.weights), (still, still.weights)):
        built = changed.network.state_dict()
        assert all(np.array_equal(built[name], wanted[name]) for name in wanted)


def test_threads_that_ask_for_a_network_at_once_get_the_same_weights(presets: Path) -> None:
    preset = load_preset("tiny")
    with ThreadPoolExecutor(8) as pool:
        networks = list(pool.map(lambda _: preset.network, range(8)))
    for network in networks:
        assert all(np.array_equal(tensor, preset.weights[name]) for name, tensor in network.state_dict().items())
    assert presets.is_dir()


@pytest.mark.parametrize("form", ["graded", "released"])
def test_a_network_that_is_trained_on_leaves_its_preset_as_it_was(tmp_path: Path, tiny: GradedLPTN, form: str) -> None:
    net = tiny if form == "graded" else LPTN(2, 1, 1)
    preset = load_preset(write_preset(tmp_path / "a.safetensors", net.state_dict(), {}))
    before = {name: array.copy() for name, array in preset.weights.items()}
    with torch.no_grad():
        for parameter in preset.network.parameters():
            parameter.add_(1)
    assert all(np.array_equal(preset.weights[name], before[name]) for name in before)
    assert not any(array.flags.writeable for array in preset.weights.values())


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
    assert ("did you mean `tiny`?" if name in ("tiny\n", "Ti ny") else ", ".join(list_presets())) in message


@pytest.mark.parametrize("name", ["nosuch.safetensors", "\x1b[31m.safetensors", "a\0.safetensors", "a\nb.safetensors"])
def test_an_unknown_path_is_said_to_be_missing(presets: Path, one_sentence: Sentence, name: str) -> None:
    with pytest.raises(PresetNotFoundError) as caught:
        load_preset(presets / name)
    one_sentence(caught.value)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".safetensors", "x" * 300 + ".pth", "a/" * 3000 + "b"])
def test_a_name_that_no_file_can_have_is_unknown(presets: Path, one_sentence: Sentence, name: str) -> None:
    assert presets.is_dir()
    with pytest.raises(PresetNotFoundError) as caught:
        load_preset(name)
    if len(name) < 400:
        one_sentence(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_a_preset_that_may_not_be_read_is_not_called_damaged(
    tiny: GradedLPTN, one_sentence: Sentence, ending: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:  # where others can come, too
        Path(folder).chmod(0o755)
        path = Path(folder, f"tiny{ending}")
        if ending == ".pth":
            torch.save(tiny.state_dict(), path)
        else:
            load_preset(write_preset(path, tiny.state_dict(), {}))
        path.chmod(0)
        root = os.geteuid() == 0
        if root:  # who may read everything
            os.seteuid(65534)
        try:
            with pytest.raises(InvalidPresetError, match="not permitted") as caught:
                (read_published if ending == ".pth" else load_preset)(path)
        finally:
            if root:
                os.seteuid(0)
        assert "fetch" not in one_sentence(caught.value)


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


def test_a_field_stays_on_its_line(presets: Path, tiny: GradedLPTN) -> None:
    """It cannot pass for the next one where a preset is shown; a space that does not break is still a space."""
    save_file(
        tiny.state_dict(),
        presets / "a.safetensors",
        metadata={"summary": "ok\nsha256  1234\r\u2028", "version": "1\u00a0b"},
    )
    header = load_preset("a").header
    assert (header["summary"], header["version"]) == ("ok sha256 1234", "1 b")


def test_the_card_in_the_header_gives_way_to_the_one_beside(presets: Path, tiny: GradedLPTN) -> None:
    write_preset(presets / "a.safetensors", tiny.state_dict(), {"card": "# Inside\n"})
    assert load_preset("a").card == "# Inside\n"
    (presets / "a.md").write_text("# Beside\n", "utf-8")
    assert load_preset("a").card == "# Beside\n"
    (presets / "a.md").unlink()
    (presets / "a.md").mkdir()
    assert load_preset("a").card == "# Inside\n"


@pytest.mark.parametrize("field, size", [("card", 256 << 10), ("summary", 4 << 10), ("licence", 4 << 10)])
def test_fields_are_not_endless(presets: Path, tiny: GradedLPTN, one_sentence: Sentence, field: str, size: int) -> None:
    load_preset(write_preset(presets / "full.safetensors", tiny.state_dict(), {field: "x" * size}))
    long = {field: "x" * (size + 1)}
    save_file(tiny.state_dict(), presets / "long.safetensors", metadata=long)
    for attempt in (
        lambda: load_preset("long"),
        lambda: write_preset(presets / "new.safetensors", tiny.state_dict(), long),
    ):
        with pytest.raises(InvalidPresetError) as caught:
            attempt()
        assert f"{field} is longer than {size >> 10} KiB" in one_sentence(caught.value)
    assert not (presets / "new.safetensors").exists()


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are POSIX's")
def test_damage_and_links_do_not_break_the_list(presets: Path, tmp_path: Path) -> None:
    whole = (presets / "tiny.safetensors").read_bytes()
    (presets / "damaged.safetensors").write_bytes(whole[:1000])
    (tmp_path / "elsewhere").write_bytes(whole)
    (presets / "linked.safetensors").symlink_to(tmp_path / "elsewhere")
    (presets / "nowhere.safetensors").symlink_to(tmp_path / "missing")
    (presets / "loop.safetensors").symlink_to("loop.safetensors")
    (presets / "device.safetensors").symlink_to("/dev/zero")
    os.mkfifo(presets / "pipe.safetensors")
    assert {"damaged", "linked", "tiny"} <= set(list_presets())
    assert not {"nowhere", "loop", "device", "pipe"} & set(list_presets())
    assert load_preset("linked").card == ""


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


def test_the_same_preset_makes_the_same_bytes(tmp_path: Path, tiny: GradedLPTN) -> None:
    header = {"summary": "S.", "version": "1", "training_data": "t", "licence": "l", "card": "# Card \u00fc\n"}
    back = dict(reversed(header.items())) | {"other": "x"}
    one = write_preset(tmp_path / "one.safetensors", tiny.state_dict(), header).read_bytes()
    assert write_preset(tmp_path / "two.safetensors", tiny.state_dict(), back).read_bytes() == one
    assert int.from_bytes(one[:8], "little") % 8 == 0, "the tensors are aligned"


@pytest.mark.parametrize("where", ["os.fsync", "os.replace"])
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
        with pytest.raises(PresetError, match="disk is full"):
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


def test_an_account_without_a_home_has_the_shipped_presets(
    monkeypatch: pytest.MonkeyPatch, one_sentence: Callable[[object], str]
) -> None:
    def no_home(*_: object, **__: object) -> str:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("LPTN_RETOUCH_PRESETS", raising=False)
    monkeypatch.setattr("platformdirs.user_data_dir", no_home)
    assert "retouch" in list_presets()
    assert find_preset("retouch").is_file()
    with pytest.raises(UsageError) as caught:
        user_folder()
    assert "LPTN_RETOUCH_PRESETS" in one_sentence(caught.value)
