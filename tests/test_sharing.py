"""Presets travel: exported, imported, removed; what is hostile is refused in one sentence and runs nothing.

test_checkpoint.py tries every way in which weights can be wrong; here whole files go through the command.
"""

import hashlib
import io
import json
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from lptn_retouch.cli import main
from lptn_retouch.errors import InvalidPresetError, PresetError, PresetNotFoundError, UsageError
from lptn_retouch.hub import default_name, fetched
from lptn_retouch.model import checkpoint
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import LPTN
from lptn_retouch.preset import list_presets, load_preset, write_preset
from lptn_retouch.retoucher import retouch
from lptn_retouch.sharing import export_preset, import_preset, remove_preset
from tests.places import ROOT

Sentence = Callable[[object], str]
Output = pytest.CaptureFixture[str]
GOLDEN = ROOT / "tests" / "golden"
CARD = "# Tiny\n\n\tA card, with \u00e4, \u96ea and | a | table |.\n"
BIAS = "grade.eye.0.bias"


@pytest.fixture
def published(shared: Path) -> Path:
    file = shared / "weights" / "net_g_FiveK_numhigh3.pth"
    if not file.is_file():
        pytest.skip(f"the published weights are not here: {file}")
    return file


@pytest.fixture
def shipped(presets: Path, tmp_path: Path, tiny: GradedLPTN, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's own presets: one, "ours", with its card beside it."""
    folder = tmp_path / "shipped"
    write_preset(folder / "ours.safetensors", tiny.state_dict(), {"summary": "Ours."})
    (folder / "ours.md").write_text(CARD, "utf-8")
    monkeypatch.setattr("lptn_retouch.preset._shipped_folders", lambda: [folder])
    assert presets.is_dir() and list_presets() == ["ours", "tiny"]
    return folder


def refused(words: list[str], status: int, capsys: Output, one_sentence: Sentence) -> str:
    assert main(words) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lptn-retouch: ") and err.endswith("\n")
    return one_sentence(err[:-1])


# Export.


def test_what_is_exported_comes_in_as_it_was(shipped: Path, presets: Path, tmp_path: Path, capsys: Output) -> None:
    assert shipped.is_dir()
    file = tmp_path / "winter.safetensors"
    assert main(["presets", "export", "ours", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    assert main(["presets", "import", str(file)]) == 0
    out = capsys.readouterr().out
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert sha256 in out and out.startswith("winter is installed")
    assert (presets / "winter.safetensors").read_bytes() == file.read_bytes(), "a checksum holds on both sides"
    assert [f.name for f in sorted(presets.iterdir())] == ["tiny.safetensors", "winter.safetensors"]
    preset = load_preset("winter")
    assert (preset.card, preset.header["summary"], preset.sha256) == (CARD, "Ours.", sha256)
    assert main(["presets", "show", "winter"]) == 0
    out = capsys.readouterr().out
    assert CARD.rstrip() in out and sha256 in out
    assert export_preset("winter", tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_the_card_beside_a_file_comes_in_with_it(shipped: Path) -> None:
    assert load_preset(import_preset(shipped / "ours.safetensors", "copy")).card == CARD


def test_a_preset_is_exported_into_a_folder_and_a_picture_is_left_out(shipped: Path, tmp_path: Path) -> None:
    (shipped / "ours.jpg").write_bytes(b"a picture")
    (tmp_path / "out").mkdir()
    file = export_preset("ours", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [file] == [tmp_path / "out" / "ours.safetensors"]
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["card"] == CARD
    assert b"a picture" not in file.read_bytes()


@pytest.mark.parametrize(
    "target", ["there.safetensors", "link.safetensors", "new.pth", "new", "nowhere/new.safetensors", "folder"]
)
def test_an_export_replaces_nothing(
    shipped: Path, tmp_path: Path, capsys: Output, one_sentence: Sentence, target: str
) -> None:
    (tmp_path / "there.safetensors").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "ours.safetensors").write_bytes(b"mine")
    if os.name != "nt":
        (tmp_path / "link.safetensors").symlink_to(tmp_path / "missing")
    else:
        (tmp_path / "link.safetensors").write_bytes(b"mine")
    before = sorted(tmp_path.rglob("*"))
    refused(["presets", "export", "ours", str(tmp_path / target)], 2, capsys, one_sentence)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.safetensors").read_bytes() == b"mine"
    assert shipped.is_dir()


def test_an_export_to_a_full_disk_leaves_nothing(
    shipped: Path, tmp_path: Path, capsys: Output, one_sentence: Sentence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os, "fsync", full)
    message = refused(["presets", "export", "ours", str(tmp_path / "out")], 1, capsys, one_sentence)
    assert "disk is full" in message
    assert list((tmp_path / "out").iterdir()) == []
    assert shipped.is_dir()


def test_an_unknown_preset_is_not_exported(presets: Path, tmp_path: Path, capsys: Output, one_sentence: Sentence):
    assert "tiny" in refused(["presets", "export", "nosuch", str(tmp_path)], 2, capsys, one_sentence)
    assert presets.is_dir()


# Remove.


def test_a_preset_is_removed_with_what_lies_beside_it(presets: Path, capsys: Output) -> None:
    for ending in ("md", "jpg"):
        (presets / f"tiny.{ending}").write_text("beside it")
    (presets / "tiny-2.md").write_text("of another")
    assert main(["presets", "remove", "tiny"]) == 0
    assert [line.split(".")[-1] for line in capsys.readouterr().out.splitlines()] == ["safetensors", "md", "jpg"]
    assert [file.name for file in presets.iterdir()] == ["tiny-2.md"]


def test_what_travels_with_the_package_is_not_removed(shipped: Path, capsys: Output, one_sentence: Sentence) -> None:
    message = refused(["presets", "remove", "ours"], 2, capsys, one_sentence)
    assert "travels with the package" in message
    assert (shipped / "ours.safetensors").is_file() and (shipped / "ours.md").is_file()


def test_a_preset_in_front_of_a_shipped_one_is_removed_alone(shipped: Path, presets: Path) -> None:
    (presets / "ours.safetensors").write_bytes((presets / "tiny.safetensors").read_bytes())
    assert remove_preset("ours") == [presets / "ours.safetensors"]
    assert load_preset("ours").header["summary"] == "Ours."
    assert shipped.is_dir()


@pytest.mark.parametrize("name", ["nosuch", "", "../shipped/ours", "a/b", "tiny.safetensors", "\x1b[31m", "a\0", "."])
def test_an_unknown_preset_is_not_removed(
    shipped: Path, tmp_path: Path, capsys: Output, one_sentence: Sentence, name: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(["presets", "remove", name], 2, capsys, one_sentence)
    with pytest.raises(PresetNotFoundError):
        remove_preset(name)
    assert sorted(tmp_path.rglob("*")) == before
    assert shipped.is_dir()


def test_a_damaged_preset_is_listed_named_and_removed(presets: Path, capsys: Output, one_sentence: Sentence) -> None:
    (presets / "damaged.safetensors").write_bytes(b"nothing of use")
    assert main(["presets"]) == 0
    assert {"damaged", "tiny"} <= set(capsys.readouterr().out.splitlines())
    assert "damaged.safetensors" in refused(["presets", "show", "damaged"], 1, capsys, one_sentence)
    assert remove_preset("damaged") == [presets / "damaged.safetensors"]


@pytest.mark.skipif(os.name == "nt", reason="links are POSIX's")
def test_a_link_is_removed_and_what_it_points_at_stays(presets: Path, tmp_path: Path) -> None:
    (presets / "tiny.safetensors").rename(tmp_path / "real.safetensors")
    (presets / "tiny.safetensors").symlink_to(tmp_path / "real.safetensors")
    (presets / "nowhere.safetensors").symlink_to(tmp_path / "missing")
    assert remove_preset("tiny") == [presets / "tiny.safetensors"]
    assert remove_preset("nowhere") == [presets / "nowhere.safetensors"]
    assert (tmp_path / "real.safetensors").is_file()
    assert list(presets.iterdir()) == []


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


@pytest.mark.parametrize("name", ["tiny", "ours", "TINY", "Ours"])
def test_a_preset_is_never_imported_over_another(
    shipped: Path, presets: Path, tmp_path: Path, capsys: Output, one_sentence: Sentence, name: str
) -> None:
    """A disk that does not tell capitals from small letters would take Tiny for tiny."""
    file = export_preset("ours", tmp_path / f"{name}.safetensors")
    before = {f: f.read_bytes() for folder in (presets, shipped) for f in folder.iterdir()}
    for words in (["presets", "import", str(file)], ["presets", "import", str(file), "--name", name]):
        assert name in refused(words, 2, capsys, one_sentence)
    assert {f: f.read_bytes() for folder in (presets, shipped) for f in folder.iterdir()} == before


@pytest.mark.parametrize("left", ["new.md", "new.jpg", "new.safetensors"])
def test_what_is_in_the_way_is_not_taken_for_the_presets_own(
    shipped: Path, presets: Path, tmp_path: Path, one_sentence: Sentence, left: str
) -> None:
    """A card left behind would be shown as the new preset's; a link would lead the weights elsewhere."""
    file = export_preset("ours", tmp_path / "new.safetensors")
    if left == "new.safetensors" and os.name != "nt":
        (presets / left).symlink_to(tmp_path / "elsewhere")
    else:
        (presets / left).write_text("left behind")
    with pytest.raises(UsageError) as caught:
        import_preset(file)
    one_sentence(caught.value)
    assert not (tmp_path / "elsewhere").exists()
    assert {f.name for f in presets.iterdir()} == {left, "tiny.safetensors"}
    assert shipped.is_dir()


def test_a_name_is_asked_for_where_there_is_none(
    presets: Path, tmp_path: Path, tiny: GradedLPTN, capsys: Output, one_sentence: Sentence
) -> None:
    torch.save(tiny.state_dict(), tmp_path / "net.pth")
    save_file(tiny.state_dict(), tmp_path / "two words.safetensors")
    for file in ("net.pth", "two words.safetensors"):
        assert "--name" in refused(["presets", "import", str(tmp_path / file)], 2, capsys, one_sentence)
        assert main(["presets", "import", str(tmp_path / file), "--name", file[:3]]) == 0
        capsys.readouterr()
    assert {"net", "two", "tiny"} <= set(list_presets())
    assert presets.is_dir()


def test_the_users_folder_is_made_when_it_is_needed(
    tmp_path: Path, tiny: GradedLPTN, monkeypatch: pytest.MonkeyPatch, one_sentence: Sentence
) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "not" / "yet"))
    save_file(tiny.state_dict(), tmp_path / "a.safetensors")
    assert import_preset(tmp_path / "a.safetensors") == tmp_path / "not" / "yet" / "a.safetensors"
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "file" / "presets"))
    with pytest.raises(PresetError) as caught:
        import_preset(tmp_path / "a.safetensors")
    one_sentence(caught.value)


# Hostile files.


class Touches:
    """Pickled, this makes a file when plain pickle loads it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> object:
        return open, (str(self.marker), "w")


def by_hand(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A .safetensors file with any header, and any length written before it."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def pickled(content: object, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def doubled(data: bytes, first: bytes, second: bytes) -> bytes:
    """The file with another entry put in front of one in its header."""
    start = 8 + int.from_bytes(data[:8], "little")
    return by_hand(data[8:start].replace(second, first + b"," + second, 1), data[start:])


def deflated_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(200 << 20))
    return stream.getvalue()


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
WHOLE = {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}
WRONG_WEIGHTS: dict[str, dict[str, torch.Tensor]] = {
    "nan": {BIAS: torch.full((16,), torch.nan)},
    "infinity": {BIAS: torch.full((16,), -torch.inf)},
    "one-nan": {BIAS: torch.tensor([0.0] * 15 + [torch.nan])},
    "infinite-as-float32": {BIAS: torch.full((16,), 1e300, dtype=torch.float64)},
    "shape": {BIAS: torch.zeros(4, 4)},
    "transposed": {"grade.choose.0.weight": torch.zeros(232, 128)},
    "whole-numbers": {BIAS: torch.zeros(16, dtype=torch.int64)},
    "truth-values": {BIAS: torch.zeros(16, dtype=torch.bool)},
    "one-too-many": {"../../escape\x1b[2J\u202e": torch.zeros(1)},
    "too-wide": {"low.inward.2.weight": torch.zeros(4096, 24, 3, 3)},
}
HEADERS: dict[str, bytes] = {
    "empty": b"",
    "short": b"\x08\0\0",
    "length-beyond-the-file": by_hand({"grade.a": ONE}, bytes(4), 10_000),
    "length-2-to-the-63": by_hand({"grade.a": ONE}, bytes(4), 2**63),
    "length-largest": by_hand({"grade.a": ONE}, bytes(4), 2**64 - 1),
    "enormous": by_hand({"__metadata__": {str(i): "" for i in range(200_000)}, "grade.a": ONE}, bytes(4)),
    "enormous-and-empty": by_hand(b"{" + b" " * (2 << 20) + b"}"),
    "offsets-beyond": by_hand({"grade.a": {**ONE, "data_offsets": [0, 2**50]}}, bytes(4)),
    "offsets-overlapping": by_hand({"grade.a": WHOLE, "grade.b": WHOLE}, bytes(64)),
    "offsets-negative": by_hand({"grade.a": {**ONE, "data_offsets": [-4, 0]}}, bytes(4)),
    "offsets-backwards": by_hand({"grade.a": {**ONE, "data_offsets": [4, 0]}}, bytes(4)),
    "offsets-with-a-hole": by_hand({"grade.a": ONE, "grade.b": {**ONE, "data_offsets": [8, 12]}}, bytes(12)),
    "data-left-over": by_hand({"grade.a": ONE}, bytes(1000)),
    "huge-tensor": by_hand({"grade.a": {**ONE, "shape": [2**40]}}, bytes(4)),
    "overflowing-tensor": by_hand({"grade.a": {**ONE, "shape": [2**33, 2**33]}}, bytes(4)),
    "negative-shape": by_hand({"grade.a": {**ONE, "shape": [-1]}}, bytes(4)),
    "unknown-dtype": by_hand({"grade.a": {**ONE, "dtype": "\x1b[31mF32"}}, bytes(4)),
    "nested-lists": by_hand(b"[" * 500_000),
    "nested-objects": by_hand(b'{"a":' * 100_000),
    "nested-in-the-metadata": by_hand(b'{"__metadata__":{"card":' + b"[" * 200_000 + b"]" * 200_000 + b"}}"),
    "card-not-text": by_hand({"__metadata__": {"card": ["# Card"]}, "grade.a": ONE}, bytes(4)),
    "half-a-character": by_hand(b'{"__metadata__":{"card":"\\ud800"}}'),
    "not-utf-8": by_hand(b'{"__metadata__":{"card":"\xff\xfe"}}'),
}


@pytest.fixture
def not_installed(presets: Path, tmp_path: Path, capsys: Output, one_sentence: Sentence) -> Callable[[bytes, str], str]:
    """Import a file by the command: it is refused in one sentence, nothing is written, and no bait has been taken."""

    def check(content: bytes, ending: str) -> str:
        file = tmp_path / f"hostile.{ending}"
        file.write_bytes(content)
        before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
        message = refused(["presets", "import", str(file), "--name", "hostile"], 1, capsys, one_sentence)
        assert file.name in message
        assert {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()} == before
        assert "hostile" not in list_presets() and presets.is_dir()
        return message

    return check


NotInstalled = Callable[[bytes, str], str]


@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors"])
def test_a_pickle_runs_nothing(tmp_path: Path, tiny: GradedLPTN, not_installed: NotInstalled, ending: str) -> None:
    marker = tmp_path / "it-ran"
    bait = Touches(marker)
    pickle.loads(pickle.dumps(bait)).close()
    assert marker.exists(), "the bait must be live for this test to mean anything"
    marker.unlink()
    for zipped in (True, False):
        for content in (bait, {"params": bait}, {**tiny.state_dict(), BIAS: bait}):
            not_installed(pickled(content, zipped), ending)
    not_installed(pickle.dumps(bait), ending)
    not_installed(by_hand(pickle.dumps(bait)), ending)
    assert not marker.exists()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_zip_bomb_is_not_unpacked(not_installed: NotInstalled, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the bomb was handed to torch"))
    bomb = deflated_bomb()
    assert len(bomb) < 1 << 20
    not_installed(bomb, ending)


@pytest.mark.parametrize("change", WRONG_WEIGHTS)
def test_wrong_weights_are_not_installed(tiny: GradedLPTN, not_installed: NotInstalled, change: str) -> None:
    weights = {**tiny.state_dict(), **WRONG_WEIGHTS[change]}
    not_installed(save(weights), "safetensors")
    not_installed(pickled(weights), "pth")


@pytest.mark.parametrize("which", ["", "grade", "low", "high.gain", "gate"])
def test_weights_that_overflow_are_not_installed(
    fill: Callable[..., GradedLPTN], not_installed: NotInstalled, which: str
) -> None:
    network = fill(GradedLPTN(width=8, blocks=1, mask_width=4, gated=True), 3)
    large = {
        name: torch.sign(tensor) * 1e38 if name.startswith(which) else tensor
        for name, tensor in network.state_dict().items()
    }
    assert "no colours" in not_installed(save(large), "safetensors")


@pytest.mark.slow
def test_published_weights_that_overflow_are_not_installed(not_installed: NotInstalled) -> None:
    golden = load_file(GOLDEN / "paper_L3.safetensors")
    weights = {k.removeprefix("weights/"): v.sign() * 1e38 for k, v in golden.items() if k.startswith("weights/")}
    assert "no colours" in not_installed(pickled({"params": weights}), "pth")


def test_missing_weights_are_not_installed(tiny: GradedLPTN, not_installed: NotInstalled) -> None:
    weights = {name: tensor for name, tensor in tiny.state_dict().items() if name != BIAS}
    assert BIAS in not_installed(save(weights), "safetensors")


@pytest.mark.parametrize("header", HEADERS)
def test_a_lying_header_is_refused(not_installed: NotInstalled, header: str) -> None:
    not_installed(HEADERS[header], "safetensors")


def test_a_name_that_stands_twice_is_refused(tiny: GradedLPTN, not_installed: NotInstalled) -> None:
    """Readers differ in which of the two they take: one would check the one and use the other."""
    whole = save(tiny.state_dict(), metadata={"card": "# Card"})
    assert "twice" in not_installed(doubled(whole, b'"card":"# Other"', b'"card"'), "safetensors")
    entry = json.dumps({BIAS: {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}})[1:-1].encode()
    assert "twice" in not_installed(doubled(whole, entry, f'"{BIAS}"'.encode()), "safetensors")


def test_a_card_without_end_is_refused(tiny: GradedLPTN, not_installed: NotInstalled) -> None:
    for size in (300 << 10, 3 << 20):
        not_installed(save(tiny.state_dict(), metadata={"card": "x" * size}), "safetensors")
    not_installed(save(tiny.state_dict(), metadata={"summary": "x" * 5000}), "safetensors")


ESCAPES = "\x1b[31m\x1b]0;title\x07\x9b2J\x85\x00\x08\x7f\u202e\u2066\u200f\ufeff\r"


def test_escape_codes_are_left_behind(presets: Path, tmp_path: Path, tiny: GradedLPTN, capsys: Output) -> None:
    fields = dict.fromkeys(("summary", "version", "training_data", "licence"), f"a{ESCAPES}b\nsha256  c")
    fields |= {"card": f"# Card{ESCAPES}\n\tend\n", "other": ESCAPES, ESCAPES: "x"}
    save_file(tiny.state_dict(), tmp_path / "a.safetensors", metadata=fields)
    assert main(["presets", "import", str(tmp_path / "a.safetensors")]) == 0
    assert main(["presets", "show", "a"]) == 0
    out = capsys.readouterr().out
    assert all(c.isprintable() or c in "\n\t" for c in out)
    assert sum(line.startswith("sha256") for line in out.splitlines()) == 2, "of the import, and of the show"
    with safe_open(presets / "a.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata.keys() == {"format", "architecture", "card", "summary", "version", "training_data", "licence"}
    assert metadata["card"] == "# Card[31m]0;title2J\n\tend\n"
    assert load_preset("a").card == metadata["card"]
    clean = export_preset("a", tmp_path / "b.safetensors")
    assert clean.read_bytes() == (presets / "a.safetensors").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_escape_codes_in_a_path_are_not_shown(
    presets: Path, tmp_path: Path, capsys: Output, one_sentence: Sentence
) -> None:
    file = tmp_path / f"{ESCAPES.replace(chr(0), '')}\n.safetensors"
    file.write_bytes((presets / "tiny.safetensors").read_bytes())
    assert main(["presets", "show", str(file)]) == 0
    assert all(c.isprintable() or c == "\n" for c in capsys.readouterr().out)
    refused(["presets", "import", str(file)], 2, capsys, one_sentence)
    file.write_bytes(b"nothing")
    refused(["presets", "import", str(file), "--name", "new"], 1, capsys, one_sentence)
    refused(["presets", "import", f"hf://{ESCAPES}"], 2, capsys, one_sentence)


# From the Hub.


class Hub(ModuleType):
    """Stands for huggingface_hub: repositories of files, and what was asked of it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__("huggingface_hub")
        self.files = files
        self.asked: list[object] = []
        self.larger = 0

    def model_info(self, repo: str, *, revision: str | None, files_metadata: bool) -> object:
        self.asked.append((repo, revision))
        if repo != "owner/winter":
            raise RuntimeError(
                "401 Client Error. (Request ID: \x1b[31m)\n\nRepository Not Found for url: x. Please log in."
            )
        assert files_metadata
        siblings = [SimpleNamespace(rfilename=n, size=len(d) + self.larger) for n, d in self.files.items()]
        return SimpleNamespace(sha="c0ffee" * 6 + "1234", siblings=siblings)

    def hf_hub_download(self, repo: str, file: str, *, revision: str, local_dir: str) -> str:
        self.asked.append((repo, file, revision))
        target = Path(local_dir, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.files[file])
        return str(target)


@pytest.fixture
def hub(presets: Path, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    content = export_preset("ours", tmp_path / "ours.safetensors").read_bytes()
    stub = Hub({"README.md": b"#", "model.safetensors": content})
    monkeypatch.setitem(sys.modules, "huggingface_hub", stub)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert presets.is_dir() and shipped.is_dir()
    return stub


def test_a_preset_comes_from_the_hub(hub: Hub, presets: Path, tmp_path: Path, capsys: Output) -> None:
    assert main(["presets", "import", "hf://owner/winter@v2"]) == 0
    commit = "c0ffee" * 6 + "1234"
    assert hub.asked == [("owner/winter", "v2"), ("owner/winter", "model.safetensors", commit)], "pinned to a commit"
    out = capsys.readouterr().out
    sha256 = hashlib.sha256(hub.files["model.safetensors"]).hexdigest()
    assert commit in out and sha256 in out and str(presets / "winter.safetensors") in out
    assert load_preset("winter").card == CARD
    assert list((tmp_path / "tmp").iterdir()) == [], "nothing is left where it was fetched to"
    assert import_preset("hf://owner/winter", "again").read_bytes() == hub.files["model.safetensors"]


def test_one_of_several_files_is_named(hub: Hub, capsys: Output, one_sentence: Sentence) -> None:
    hub.files["seasons/autumn.safetensors"] = hub.files["model.safetensors"]
    assert "2 .safetensors" in refused(["presets", "import", "hf://owner/winter"], 1, capsys, one_sentence)
    assert main(["presets", "import", "hf://owner/winter/seasons/autumn.safetensors"]) == 0
    assert "autumn" in list_presets()
    capsys.readouterr()
    refused(["presets", "import", "hf://owner/winter/spring.safetensors"], 1, capsys, one_sentence)


def test_what_comes_from_the_hub_is_trusted_no_more(
    hub: Hub, presets: Path, tmp_path: Path, capsys: Output, one_sentence: Sentence
) -> None:
    sound = hub.files.pop("model.safetensors")
    marker = tmp_path / "it-ran"
    for content in (pickle.dumps(Touches(marker)), HEADERS["huge-tensor"], sound[:1000]):
        hub.files["model.safetensors"] = content
        refused(["presets", "import", "hf://owner/winter"], 1, capsys, one_sentence)
    hub.files = {"../../escape.safetensors": sound}
    refused(["presets", "import", "hf://owner/winter"], 1, capsys, one_sentence)
    hub.files = {"weights.pth": sound}
    refused(["presets", "import", "hf://owner/winter"], 1, capsys, one_sentence)
    assert not marker.exists() and list((tmp_path / "tmp").iterdir()) == []
    assert [f.name for f in presets.iterdir()] == ["tiny.safetensors"]


def test_what_is_too_large_is_not_fetched(hub: Hub, capsys: Output, one_sentence: Sentence) -> None:
    hub.larger = checkpoint.MAX_BYTES
    assert "larger" in refused(["presets", "import", "hf://owner/winter"], 1, capsys, one_sentence)
    assert len(hub.asked) == 1


def test_a_name_is_checked_before_anything_is_fetched(hub: Hub, capsys: Output, one_sentence: Sentence) -> None:
    for words in (["hf://owner/tiny"], ["hf://owner/winter", "--name", "tiny"], ["hf://owner/winter", "--name", "a/b"]):
        refused(["presets", "import", *words], 2, capsys, one_sentence)
    assert hub.asked == []


def test_what_the_hub_says_is_told_in_a_sentence(hub: Hub, capsys: Output, one_sentence: Sentence) -> None:
    message = refused(["presets", "import", "hf://owner/missing"], 1, capsys, one_sentence)
    assert "401 Client Error" in message and "hf://owner/missing" in message
    assert len(hub.asked) == 1


@pytest.mark.parametrize(
    "address",
    ["hf://", "hf://owner", "hf://owner/", "hf://owner/../x.safetensors", "hf://owner/name/file.pth", "hf://a/b@c@d"],
)
def test_what_is_no_address_is_refused(hub: Hub, one_sentence: Sentence, address: str) -> None:
    for attempt in (default_name, lambda a: fetched(a).__enter__(), import_preset):
        with pytest.raises(UsageError) as caught:
            attempt(address)
        assert "hf://owner/name" in one_sentence(caught.value)
    assert hub.asked == []


def test_without_the_extra_it_says_what_to_install(
    shipped: Path, capsys: Output, one_sentence: Sentence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    message = refused(["presets", "import", "hf://owner/winter"], 1, capsys, one_sentence)
    assert 'pip install "lptn-retouch[hub]"' in message
    assert shipped.is_dir()


def test_nothing_else_takes_an_address(hub: Hub, capsys: Output, one_sentence: Sentence) -> None:
    refused(["presets", "show", "hf://owner/winter"], 2, capsys, one_sentence)
    refused(["presets", "show", "hf://owner/winter/model.safetensors"], 2, capsys, one_sentence)
    refused(["presets", "export", "hf://owner/winter", "."], 2, capsys, one_sentence)
    assert hub.asked == []
