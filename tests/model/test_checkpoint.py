"""Weights come from strangers: nothing in a file runs, and whatever is wrong with it is said in one sentence."""

import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lptn_retouch.errors import InvalidPresetError
from lptn_retouch.model import weights as files
from lptn_retouch.model.checkpoint import Network, architecture, build_network, read_published
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import LPTN
from lptn_retouch.model.sound import sound
from lptn_retouch.model.weights import read_safetensors

Sentence = Callable[[object], str]
BIAS = "grade.eye.0.bias"
NAMED = re.compile("`[^`]*`")


def load(path: Path) -> Network:
    if path.suffix == ".safetensors":
        return build_network(read_safetensors(path)[0])
    return build_network(read_published(path))


@pytest.fixture
def refused(one_sentence: Sentence) -> Callable[[Path], str]:
    def check(path: Path) -> str:
        with pytest.raises(InvalidPresetError) as caught:
            load(path)
        if path.suffix == ".safetensors":  # the same sentence without torch
            with pytest.raises(InvalidPresetError) as again:
                sound(read_safetensors(path)[0])
            # Of several tensors at fault the library names any.
            assert NAMED.sub("", str(again.value)) == NAMED.sub("", str(caught.value))
        return one_sentence(caught.value)

    return check


Refused = Callable[[Path], str]

# Sound files.


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])  # the released FiveK file is of the old kind
@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"params": w}, OrderedDict], ids=["bare", "params", "ordered"])
@pytest.mark.parametrize("kind", ["graded-lptn", "lptn-released", "lptn-paper"])
def test_a_published_file_is_read(tmp_path: Path, tiny: GradedLPTN, wrap, kind: str, zipped: bool) -> None:
    net: Network = tiny if kind == "graded-lptn" else LPTN(2, 1, 1, form=kind.removeprefix("lptn-"))  # type: ignore
    torch.save(wrap(net.state_dict()), tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    back = load(tmp_path / "net.pth")
    assert architecture(back) == kind
    assert not back.training
    weights = net.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in back.state_dict().items())


def test_a_network_in_other_floats_is_read_as_float32(tmp_path: Path, tiny: GradedLPTN) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        save_file({k: v.to(dtype) for k, v in tiny.state_dict().items()}, tmp_path / "a.safetensors")
        weights = load(tmp_path / "a.safetensors").state_dict()
        assert {v.dtype for v in weights.values()} == {torch.float32}
        torch.testing.assert_close(weights[BIAS], tiny.state_dict()[BIAS], atol=1e-2, rtol=0)
        arrays, _ = sound(read_safetensors(tmp_path / "a.safetensors")[0])
        assert all(np.array_equal(arrays[name], weights[name]) for name in weights)
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


# Code in a pickle.


class Runs:
    """A pickle of this runs a command when it is loaded by plain pickle."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.marker}",)


class Calls(Runs):
    def __reduce__(self) -> object:
        return eval, (f"open({str(self.marker)!r}, 'w')",)


def test_nothing_in_a_file_runs(tmp_path: Path, tiny: GradedLPTN, one_sentence: Sentence) -> None:
    marker = tmp_path / "it-ran"
    pickle.loads(pickle.dumps(Runs(marker)))
    assert marker.exists(), "the bait must be live for this test to mean anything"
    marker.unlink()
    files: list[Path] = []
    for bait in (Runs(marker), Calls(marker)):
        for content in (bait, {"params": bait}, {**tiny.state_dict(), BIAS: bait}, {"a": [bait]}, [bait]):
            for zipped in (True, False):
                files.append(tmp_path / f"{len(files)}.pth")
                torch.save(content, files[-1], _use_new_zipfile_serialization=zipped)
            raw = pickle.dumps(content)
            for name in ("raw.pth", "raw.safetensors"):
                files.append(tmp_path / f"{len(files)}-{name}")
                files[-1].write_bytes(raw)
        # what zipfile takes for an archive, and torch for a file of the old kind
        ending = io.BytesIO()
        with zipfile.ZipFile(ending, "w") as archive:
            archive.writestr("archive/data.pkl", b"")
        files.append(tmp_path / f"{len(files)}.pth")
        files[-1].write_bytes(pickle.dumps(bait) + ending.getvalue())
    torch.save(Runs(marker), tmp_path / "renamed")
    (tmp_path / "renamed").rename(tmp_path / "renamed.safetensors")
    messages = []
    for file in [*files, tmp_path / "renamed.safetensors"]:
        with pytest.raises(InvalidPresetError) as caught:
            load(file)
        assert not marker.exists(), file
        messages.append(str(caught.value))
    for message in messages:
        one_sentence(message)


# A .pth built by hand.


class Storage:
    def __init__(self, numel: int) -> None:
        self.numel = numel


class View:
    """A float tensor over a storage, with whatever size, stride and offset it claims."""

    def __init__(self, numel: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> None:
        self.arguments = (Storage(numel), offset, size, stride, False, OrderedDict())

    def __reduce__(self) -> object:
        return torch._utils._rebuild_tensor_v2, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        return ("storage", torch.FloatStorage, "0", "cpu", obj.numel) if isinstance(obj, Storage) else None


class OldPickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        return ("storage", torch.FloatStorage, "0", "cpu", obj.numel, None) if isinstance(obj, Storage) else None


def by_hand(path: Path, content: object, data: bytes = bytes(4), compression: int = zipfile.ZIP_STORED) -> Path:
    stream = io.BytesIO()
    Pickler(stream, 2).dump(content)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", data)
        archive.writestr("archive/version", "3\n")
    return path


def test_the_file_built_by_hand_is_one_that_is_read(tmp_path: Path) -> None:
    read = read_published(by_hand(tmp_path / "a.pth", {"a": View(2, (2,), (1,))}, struct.pack("<2f", 1, 2)))
    assert read["a"].tolist() == [1, 2]


def old_by_hand(path: Path, content: object, numel: int, data: bytes = bytes(4)) -> Path:
    """The same in the form of torch before 1.6: pickles and storages one after the other, without a zip round them."""
    stream = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        pickle.dump(part, stream, 2)
    OldPickler(stream, 2).dump(content)
    pickle.dump(["0"], stream, 2)
    path.write_bytes(stream.getvalue() + struct.pack("<q", numel) + data)
    return path


def test_the_old_file_built_by_hand_is_one_that_is_read(tmp_path: Path) -> None:
    content = {"a": View(2, (2,), (1,))}
    read = read_published(old_by_hand(tmp_path / "a.pth", content, 2, struct.pack("<2f", 1, 2)))
    assert read["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "claimed, view, written",
    [
        (2**40, (1,), 2**40),
        (2**40, (2**40,), 1),
        (1, (2**28,), 1),
        (1, (2**28,), 2**28),
        (1, (1,), -1),
        (1, (1,), 2**62),
    ],
)
def test_an_old_file_that_lies_is_refused(
    tmp_path: Path, refused: Refused, claimed: int, view: tuple[int], written: int
) -> None:
    refused(old_by_hand(tmp_path / "a.pth", {"a": View(claimed, view, (1,))}, written))


def test_an_archive_that_torch_would_unpack_to_disk_is_refused(tmp_path: Path, refused: Refused) -> None:
    """The oldest kind, a tar: torch before 2.6 runs what is in it, weights_only or not (CVE-2025-32434)."""
    with tarfile.open(tmp_path / "a.pth", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    refused(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "view",
    [
        View(1, (2**28,), (1,)),  # a view past the end of its storage
        View(2**28, (2**28,), (1,)),  # a storage that is not all there
        View(1, (1000, 1000), (0, 0)),  # four bytes that look like a million numbers
        View(1, (2**20,), (0,)),
        View(4, (2, 2), (1, 2)),
        View(1, (1,), (1,), -5),
        View(1, (-1,), (1,)),
        View(1, (2**62, 4), (4, 1)),
    ],
    ids=["past-the-end", "short", "stride-0", "stride-0-1d", "transposed", "offset", "negative", "overflow"],
)
def test_a_view_that_lies_is_refused(tmp_path: Path, refused: Refused, view: View) -> None:
    refused(by_hand(tmp_path / "a.pth", {"a": view}, bytes(16) if view.arguments[0].numel == 4 else bytes(4)))


def test_a_compressed_file_is_refused(tmp_path: Path, tiny: GradedLPTN, refused: Refused) -> None:
    torch.save(tiny.state_dict(), tmp_path / "plain.pth")
    packed = zipfile.ZipFile(tmp_path / "small.pth", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, packed as small:
        for member in plain.namelist():
            small.writestr(member, plain.read(member))
    assert "compressed" in refused(tmp_path / "small.pth")


def test_a_zip_bomb_is_refused_before_it_unpacks(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the bomb was handed to torch"))
    bomb = by_hand(tmp_path / "a.pth", {"a": View(2**26, (2**26,), (1,))}, bytes(100 << 20), zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 20
    assert "unpacks" in refused(bomb)
    # stored members that lie over each other: a small file, a large sum
    small = by_hand(tmp_path / "b.pth", {"a": View(1, (1,), (1,))}, bytes(1 << 20))
    data = small.read_bytes()
    end = data.rindex(b"PK\5\6")
    size, start = struct.unpack("<II", data[end + 12 : end + 20])
    entries = data[start : start + size]
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 400, 400, 100 * size, start, 0)
    small.write_bytes(data[:start] + 100 * entries + tail)
    assert "unpacks" in refused(small)


def test_a_file_larger_than_any_preset_is_not_read(
    tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, tiny: GradedLPTN
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 10_000)
    save_file(tiny.state_dict(), tmp_path / "a.safetensors")
    torch.save(tiny.state_dict(), tmp_path / "a.pth")
    assert "larger" in refused(tmp_path / "a.safetensors")
    assert "larger" in refused(tmp_path / "a.pth")


def sparse_rows() -> Tensor:
    return torch.sparse_csr_tensor(torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1), (1, 16))


@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:Sparse invariant")
@pytest.mark.parametrize(
    "change",
    [
        {BIAS: torch.zeros(1).expand(16)},
        {1: torch.zeros(1)},
        {(): torch.zeros(1)},
        {BIAS: [0.0] * 16},
        {BIAS: [torch.zeros(1)]},
        {BIAS: None},
        {BIAS: "zeros"},
        {BIAS: torch.full((16,), torch.nan)},
        {BIAS: torch.zeros(17)},
        {BIAS: torch.zeros(16, dtype=torch.int8)},
        {BIAS: torch.zeros(16).to_sparse()},
        {BIAS: torch.zeros(16, device="meta")},
        {BIAS: torch.full((16,), torch.nan).to(torch.float8_e5m2)},
        {"grade.more": torch.zeros(1)},
        {"\x1b[2J\n\x07": torch.zeros(1)},
        {"y" * 200_000: torch.zeros(1)},
    ],
    ids=lambda change: f"{str(next(iter(change)))[:16]!r}-{str(next(iter(change.values())))[:20]!r}",
)
@pytest.mark.parametrize("under", [False, True], ids=["bare", "params"])
def test_anything_but_the_expected_tensors_is_refused(
    tmp_path: Path, tiny: GradedLPTN, refused: Refused, change: dict[object, object], under: bool
) -> None:
    weights = {**tiny.state_dict(), **change}
    torch.save({"params": weights} if under else weights, tmp_path / "a.pth")
    refused(tmp_path / "a.pth")


@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:Sparse invariant")
def test_a_sparse_matrix_is_refused(tmp_path: Path, tiny: GradedLPTN, refused: Refused) -> None:
    torch.save({**tiny.state_dict(), BIAS: sparse_rows()}, tmp_path / "a.pth")
    refused(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "content", [{}, [], None, 7, "text", torch.zeros(3), {"params": {}}, {"params": 3}, {"a": {"b": torch.zeros(1)}}]
)
def test_anything_but_a_dictionary_of_tensors_is_refused(tmp_path: Path, refused: Refused, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    refused(tmp_path / "a.pth")


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, tiny: GradedLPTN, refused: Refused, ending: str) -> None:
    whole = tmp_path / f"whole.{ending}"
    if ending == "pth":
        torch.save(tiny.state_dict(), whole)
    else:
        save_file(tiny.state_dict(), whole)
    data = whole.read_bytes()
    cut = tmp_path / f"cut.{ending}"
    for n in (0, 1, 4, 8, 9, 100, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:n])
        refused(cut)
    cut.write_bytes(bytes(len(data)))
    refused(cut)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_what_is_no_file_is_refused(tmp_path: Path, refused: Refused, ending: str) -> None:
    refused(tmp_path / f"missing.{ending}")
    folder = tmp_path / f"folder.{ending}"
    folder.mkdir()
    refused(folder)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / f"pipe.{ending}")
        refused(tmp_path / f"pipe.{ending}")  # and does not wait for it for ever


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_escape_codes_in_a_files_name_are_not_passed_on(tmp_path: Path, refused: Refused, ending: str) -> None:
    refused(tmp_path / f"\x1b[31m missing\n.{ending}")
    hostile = tmp_path / f"\x1b[31m red\n.{ending}"
    hostile.write_bytes(b"no weights")
    refused(hostile)


# A .safetensors built by hand.


def tensors(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize("length", [0, 1, 10_000, 2**31, 2**63, 2**64 - 1])
def test_a_header_that_lies_about_its_length_is_refused(tmp_path: Path, refused: Refused, length: int) -> None:
    refused(tensors(tmp_path / "a.safetensors", {"grade.a": ONE}, bytes(4), length))


@pytest.mark.parametrize(
    "header, data",
    [
        ({"grade.a": {**ONE, "shape": [2**40]}}, bytes(4)),
        ({"grade.a": {**ONE, "data_offsets": [0, 2**40]}}, bytes(4)),
        ({"grade.a": {**ONE, "data_offsets": [4, 0]}}, bytes(4)),
        ({"grade.a": ONE, "grade.b": ONE}, bytes(4)),
        ({"grade.a": {**ONE, "shape": [0, 2**62], "data_offsets": [0, 0]}}, b""),
        ({"grade.a": {**ONE, "shape": [0, 2**64 - 1], "data_offsets": [0, 0]}}, b""),
        ({"grade.a": {**ONE, "shape": [1] * 300}}, bytes(4)),
        ({"grade.a": {**ONE, "dtype": "F4", "shape": [8]}}, bytes(4)),
        ({"grade.a": {**ONE, "dtype": "\x1b[31m\nF32"}}, bytes(4)),
        ({"\x1b[31m\n\x9b2J": ONE}, bytes(4)),
        ({"__metadata__": {"architecture": 1}, "grade.a": ONE}, bytes(4)),
        ({"__metadata__": {"\x1b]0;title\x07": "\x1b[2J"}, "grade.a": ONE}, bytes(4)),
        (b"\x1b[31m{", b""),
        (b"[" * 100_000, b""),
        (b'{"a":' * 50_000, b""),
        ({}, b""),
        ([], b""),
        (b"\xff\xfe", b""),
    ],
)
def test_a_header_of_nonsense_is_refused(tmp_path: Path, refused: Refused, header: object, data: bytes) -> None:
    refused(tensors(tmp_path / "a.safetensors", header, data))


@pytest.mark.parametrize(
    "change",
    [
        {BIAS: torch.full((16,), torch.nan)},
        {BIAS: torch.full((16,), 1e300, dtype=torch.float64)},
        {BIAS: torch.full((16,), torch.nan).to(torch.float8_e4m3fn)},
        {BIAS: torch.zeros(16, dtype=torch.bool)},
        {BIAS: torch.zeros(4, 4)},
        {"grade.more": torch.zeros(1)},
        {"low.inward.2.weight": torch.zeros(0, 24, 3, 3)},
    ],
)
def test_sound_files_of_unsound_weights_are_refused(
    tmp_path: Path, tiny: GradedLPTN, refused: Refused, change: dict[str, Tensor]
) -> None:
    save_file({**tiny.state_dict(), **change}, tmp_path / "a.safetensors")
    refused(tmp_path / "a.safetensors")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    """Shapes without numbers in them describe the largest network there is; it must not be built to be refused."""
    header = {f"low.body.{i}.block.0.weight": {**ONE, "shape": [0], "data_offsets": [0, 0]} for i in range(64)}
    for name in ("low.inward.2.weight", "high.model.0.weight", "grade.a"):
        header[name] = {**ONE, "shape": [512, 0], "data_offsets": [0, 0]}
    file = tensors(tmp_path / "a.safetensors", header)
    assert file.stat().st_size < 10_000
    script = """
import resource, sys
from pathlib import Path
from lptn_retouch.errors import InvalidPresetError
from lptn_retouch.model.sound import sound
from lptn_retouch.model.weights import read_safetensors
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
try:
    sound(read_safetensors(Path(sys.argv[1]))[0])
except InvalidPresetError:
    print((peak() - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script, str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200, "MiB"
