"""The command line as people script it: exit status, names of results, one sentence for what went wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lptn_retouch import Photo, open_photo
from lptn_retouch.cli import main
from lptn_retouch.codecs.format import Format
from lptn_retouch.codecs.registry import FORMATS
from tests.places import SAMPLES

WRITTEN = [format for format in FORMATS if format.holds]

LAKE, OTTERS, RAW = (SAMPLES / name for name in ("lake-sherburne.jpg", "oakland-zoo-otters.jpg", "canon-s40.crw"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of small photographs with their EXIF, one of them broken."""
    folder = tmp_path / "in"
    folder.mkdir()
    for source in (LAKE, OTTERS):
        with Image.open(source) as image:
            small = image.resize((image.width // 6, image.height // 6))
            small.save(folder / source.name, exif=image.info["exif"], quality=90)
    (folder / "broken.jpg").write_bytes(LAKE.read_bytes()[:3000])
    return folder


def test_one_broken_input_fails_alone_and_is_named(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    before = {p.name: p.read_bytes() for p in photos.iterdir()}
    names = ["lake-sherburne.jpg", "broken.jpg", "oakland-zoo-otters.jpg"]
    status = main(["apply", *(str(photos / n) for n in names), "-p", "retouch", "-o", f"{tmp_path}/out/"])
    out, err = capsys.readouterr()
    assert status == 1
    assert "broken.jpg" in err and "Traceback" not in err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["lake-sherburne.jpg", "oakland-zoo-otters.jpg"]
    assert out.count("\n") == 2
    assert {p.name: p.read_bytes() for p in photos.iterdir()} == before, "an input was modified"


def test_the_lying_photo_stands_up_and_verify_agrees(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, target = photos / OTTERS.name, tmp_path / "otters.jpg"
    assert main(["apply", str(source), "-o", str(target)]) == 0
    result = open_photo(target)
    assert result.metadata.orientation == 1
    assert result.width > result.height
    assert main(["verify", str(source), str(target)]) == 0
    capsys.readouterr()
    assert main(["verify", "--json", str(source), str(target)]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_verify_tells_of_loss(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bare = tmp_path / "bare.jpg"
    with Image.open(photos / LAKE.name) as image:
        image.save(bare)
    assert main(["verify", str(photos / LAKE.name), str(bare)]) == 1
    assert "Copyright" in capsys.readouterr().out


def test_no_tag_steers_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = PngInfo()
    text.add_text("Key\x1b[31m", "red\x1b[31m")
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png", pnginfo=text)
    Image.new("RGB", (20, 10)).save(tmp_path / "b.png")
    for words in ([], ["--json"]):
        assert main(["verify", *words, str(tmp_path / "a.png"), str(tmp_path / "b.png")]) == 1
        told = capsys.readouterr().out
        assert "Key" in told and "\x1b" not in told


@pytest.mark.slow
def test_raw_becomes_jpeg_with_its_shooting_data(tmp_path: Path):
    assert main(["apply", str(RAW), "-o", f"{tmp_path}/"]) == 0
    result = open_photo(tmp_path / "canon-s40.jpg")
    assert (result.width, result.height) == (2272, 1704)
    assert b"Canon PowerShot S40" in (result.metadata.exif or b"")


def test_results_beside_the_input_replace_nothing(photos: Path, capsys: pytest.CaptureFixture[str]):
    source = photos / LAKE.name
    assert main(["apply", str(source), "-p", "retouch"]) == 0
    first = (photos / "lake-sherburne-retouch.jpg").read_bytes()
    assert main(["apply", str(source), "-p", "retouch", "--amount", "0.5"]) == 1
    assert (photos / "lake-sherburne-retouch.jpg").read_bytes() == first
    assert "is there already" in capsys.readouterr().err
    assert len(list(photos.iterdir())) == 4


def test_format_and_strength(photos: Path, tmp_path: Path):
    source = photos / LAKE.name
    assert main(["apply", str(source), "-o", f"{tmp_path}/", "--format", "png", "--amount", "0", "--detail", "0"]) == 0
    assert (open_photo(tmp_path / "lake-sherburne.png").pixels == open_photo(source).pixels).all()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["apply"],
        ["apply", "IN", "--amount", "3"],
        ["apply", "IN", "--amount", "nan"],
        ["apply", "IN", "--quality", "0"],
        ["apply", "IN", "-p", "no-such-preset"],
        ["apply", "IN", "-o", "IN"],
        ["apply", "IN", "IN2", "-o", "IN"],
        ["apply", "IN", "-o", "out.gif"],
        ["apply", "."],
        ["apply", "IN", "IN", "-o", "FOLDER/"],
        ["compare", "IN"],
        ["presets", "show", "nothing"],
        ["presets", "import", "IN", "--name", "x"],
        ["presets", "import"],
        ["presets", "export", "retouch"],
        ["presets", "export", "nothing", "FOLDER"],
        ["presets", "remove", "retouch"],
        ["presets", "remove", "nothing"],
        ["evaluate", "retouch"],
        ["evaluate", "retouch", "--target", "FOLDER"],
        ["fly"],
    ],
)
def test_wrong_usage_is_status_2(words: list[str], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    places = {"IN": photos / LAKE.name, "IN2": photos / OTTERS.name, "FOLDER": tmp_path / "out", "FOLDER/": "out/"}
    before = (photos / LAKE.name).read_bytes()
    try:
        status = main([str(places.get(word, word)) for word in words])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert "Traceback" not in capsys.readouterr().err
    assert (photos / LAKE.name).read_bytes() == before


@pytest.mark.parametrize("name", ["missing.jpg", "", "folder"])
def test_an_unreadable_input_is_status_1(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "folder").mkdir()
    assert main(["apply", str(tmp_path / name), "-o", str(tmp_path / "out.jpg")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.jpg").exists()


def test_names_too_long_for_a_disk_cost_no_other_photograph(photos: Path, capsys: pytest.CaptureFixture[str]):
    long = photos / ("語" * 83 + ".jpg")  # there is room for it, but not for NAME-retouch
    long.write_bytes(LAKE.read_bytes())
    assert main(["apply", str(long), str(photos / OTTERS.name)]) == 1
    said = capsys.readouterr()
    assert "the name is too long" in said.err
    assert said.out.strip().endswith("otters-retouch.jpg")


@pytest.mark.parametrize(
    "words",
    [("-o", "b" * 300 + ".jpg"), ("-o", "b" * 300 + "/"), ("-p", "b" * 300), ("-p", "b" * 300 + ".safetensors")],
)
def test_an_overlong_word_is_a_sentence(words: tuple[str, str], photos: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["apply", str(photos / OTTERS.name), *words]) in (1, 2)
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise here")
def test_all_photographs_are_done_though_nobody_reads_their_names(photos: Path, tmp_path: Path):
    for number in range(3):  # of more there is a summary
        (photos / f"{number}.jpg").write_bytes((photos / LAKE.name).read_bytes())
    words = [sys.executable, "-m", "lptn_retouch", "apply", *sorted(photos.glob("?.jpg")), "-o", f"{tmp_path}/out/"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()  # as `| head -1` does
    said = process.stderr.read()
    assert (process.wait(), said) == (0, b"")
    assert len(list((tmp_path / "out").iterdir())) == 3
    process.stderr.close()


def test_a_link_to_an_input_is_not_replaced(photos: Path, tmp_path: Path):
    link = tmp_path / "link.jpg"
    link.symlink_to(photos / LAKE.name)
    assert main(["apply", str(photos / LAKE.name), "-o", str(link)]) == 2
    assert link.is_symlink()


def test_private_metadata_is_left_out_and_verify_knows_that_it_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = tmp_path / "here.jpg"
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0xA431] = "SERIAL-4711"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 0.0)
    Image.new("RGB", (60, 40), (90, 120, 90)).save(source, exif=exif)
    for format in WRITTEN:
        target = tmp_path / f"out{format.endings[0]}"
        assert main(["apply", str(source), "-o", str(target), "--metadata", "strip-private"]) == 0
        assert b"SERIAL-4711" not in target.read_bytes()
        capsys.readouterr()
        assert main(["verify", str(source), str(target)]) == 0, capsys.readouterr().out
        told = capsys.readouterr().out
        assert "dropped  GPS GPSLatitude" in told and "strip-private" in told
    bare = tmp_path / "bare.jpg"
    assert main(["apply", str(source), "-o", str(bare), "--metadata", "none"]) == 0
    assert main(["verify", str(source), str(bare)]) == 1, "nothing in it says that it was meant"


@pytest.mark.slow
@pytest.mark.parametrize("format", WRITTEN, ids=lambda format: format.name)
def test_every_container_keeps_what_it_can_and_verify_agrees(
    format: Format[Any], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for source in (photos / LAKE.name, RAW):
        target = tmp_path / f"out{format.endings[0]}"
        assert main(["apply", str(source), "-p", "night", "-o", str(target), "--overwrite"]) == 0
        assert main(["verify", str(source), str(target)]) == 0, capsys.readouterr().out
        capsys.readouterr()
        result = open_photo(target)
        deep = source == RAW and max(format.holds.depths) > 8
        assert result.pixels.dtype == (np.uint16 if deep else np.uint8), "16 bits stay 16 bits, to the file"
        assert b"digitalsourcetype/algorithmicallyEnhanced" in (result.metadata.xmp or b"")
    assert main(["apply", str(source), "-p", "retouch", "-o", str(target), "--overwrite"]) == 0
    assert b"digitalsourcetype" not in (open_photo(target).metadata.xmp or b"")


def test_srgb_can_be_asked_for(tmp_path: Path):
    from lptn_retouch.color import adobe_rgb_profile
    from lptn_retouch.metadata import Metadata

    source = Photo(np.full((40, 60, 3), (60, 180, 60), np.uint8), metadata=Metadata.build(icc=adobe_rgb_profile()))
    path = source.save(tmp_path / "wide.png").path
    for profile, space in (("keep", "Adobe RGB (1998)"), ("srgb", "sRGB")):
        target = tmp_path / f"{profile}.png"
        assert main(["apply", str(path), "-o", str(target), "--profile", profile]) == 0
        assert open_photo(target).color_space == space


def test_compare_draws_before_and_every_preset(photos: Path, tmp_path: Path):
    assert main(["compare", str(photos / LAKE.name), "-p", "retouch", "-o", str(tmp_path / "sheet.jpg")]) == 0
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width > 2 * 320
        left, right = (np.asarray(sheet.crop((12 + k * 344, 12, 332 + k * 344, 192)), float) for k in (0, 1))
    assert 1 < np.abs(left - right).mean() < 80, "before and after should differ, and be the same picture"


def test_a_damaged_preset_leaves_the_others_on_the_sheet(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path))
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    words = ["compare", str(photos / LAKE.name), "-o", str(tmp_path / "sheet.jpg")]
    assert main([*words, "-p", "damaged"]) == 1
    assert not (tmp_path / "sheet.jpg").exists()
    capsys.readouterr()
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert "damaged.safetensors" in err and err.count("\n") == 1
    assert out == f"{tmp_path / 'sheet.jpg'}\n"
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width > 2 * 320


@pytest.mark.slow
@pytest.mark.parametrize("size, grid", [((300, 200), (3, 3)), ((200, 300), (5, 2)), ((600, 60), (2, 5))])
def test_eight_presets_fill_the_sheet(size: tuple[int, int], grid: tuple[int, int]):
    """Landscape, portrait and panorama; a label that is wider than its picture ends in it."""
    from lptn_retouch.cli.compare import contact_sheet
    from lptn_retouch.preset import load_preset

    photo = Photo(np.full((size[1], size[0], 3), 200, np.uint8))
    preset = load_preset("retouch")
    names = ["a-name-as-long-as-a-name-can-be-which-is-sixty-four-characters", *"bcdefgh"]
    sheet = contact_sheet(photo, [replace(preset, name=name) for name in names])
    tile = (size[0] + 24, size[1] + 56)
    assert sheet.shape == (grid[1] * tile[1], grid[0] * tile[0], 3)
    tiles = [(k // grid[0] * tile[1], k % grid[0] * tile[0]) for k in range(9)]
    for top, left in tiles:
        labels = sheet[top + size[1] + 12 : top + tile[1], left : left + tile[0]]
        assert (labels[:, 12:-12] > 150).any(), "a label under each picture"
        assert (labels[:, :12] < 60).all() and (labels[:, -12:] < 60).all(), "and none beside it"
    top, left = tiles[0]
    assert (sheet[top + 12 : top + 12 + size[1], left + 12 : left + 12 + size[0]] == 200).all(), "untouched first"


def test_presets_list_and_show(capsys: pytest.CaptureFixture[str]):
    assert main(["presets"]) == 0
    assert "retouch" in capsys.readouterr().out.splitlines()
    assert main(["presets", "show", "retouch"]) == 0
    shown = capsys.readouterr().out
    assert "graded-lptn" in shown and "licence" in shown and "# retouch" in shown


@pytest.mark.slow
def test_evaluate_prints_json(photos: Path, capsys: pytest.CaptureFixture[str]):
    (photos / "broken.jpg").unlink()
    words = ["--input", str(photos), "--target", str(photos), "--photos", str(photos)]
    assert main(["evaluate", "retouch", *words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pairs"]["pairs"] == 2
    assert figures["pairs"]["mean"]["untouched_psnr"] is None, "equal pictures have no PSNR in JSON"
    assert 10 < figures["pairs"]["mean"]["psnr"] < 60
    assert main(["evaluate", "retouch", *words]) == 0
    assert "halo" in capsys.readouterr().out


def test_help_needs_nothing_heavy():
    """What makes `--help` and `import lptn_retouch` quick: neither imports a library of pixels or tensors."""
    for code in ("import lptn_retouch", "from lptn_retouch.cli import build_parser; build_parser().format_help()"):
        check = f"{code}; import sys; print({{'torch', 'numpy', 'PIL', 'kornia', 'rawpy'}} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
        assert done.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("killed_with", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_no_half_file(killed_with: signal.Signals, tmp_path: Path):
    target = tmp_path / "result.jpg"
    target.write_bytes(b"yesterday's result")
    words = [sys.executable, "-m", "lptn_retouch", "apply", str(LAKE), "-o", str(target), "--overwrite"]
    for delay in (0.3, 1.2, 2.0):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.send_signal(killed_with)
        _, err = process.communicate()
        if killed_with == signal.SIGINT and process.returncode not in (0, -signal.SIGINT):
            assert process.returncode == 130 and "Traceback" not in err
        held = target.read_bytes()
        assert held == b"yesterday's result" or open_photo(target).width == 1920
    (tmp_path / f".lptn-{'0' * 16}.tmp").write_bytes(b"left by one that was killed")
    assert main(["apply", str(LAKE), "-o", str(target), "--overwrite"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["result.jpg"]


def run(words: list[str | bytes], **how: Any) -> subprocess.CompletedProcess[bytes]:
    """The command line in a process of its own."""
    how.setdefault("stdout", subprocess.PIPE)
    environment = os.environ | {"PYTHONPATH": str(SAMPLES.parent)}
    command = [sys.executable, "-m", "lptn_retouch", *words]
    return subprocess.run(command, stderr=subprocess.PIPE, env=environment, check=False, **how)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["presets"],
        ["presets", "show", "retouch"],
        ["verify", LAKE, LAKE],
        ["apply", LAKE, "-o", "OUT"],
    ],
    ids=lambda words: words[0],
)
def test_output_on_a_full_disk_is_told_in_a_sentence(
    words: list[str], tmp_path: Path, one_sentence: Callable[[object], str]
):
    with Path("/dev/full").open("w") as full:
        done = run([str(tmp_path / "a.jpg") if word == "OUT" else str(word) for word in words], stdout=full)
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    one_sentence(done.stderr.decode().removesuffix("\n"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the working folder cannot be removed")
@pytest.mark.parametrize("words", [["apply", "a.jpg"], ["compare", "a.jpg", "-o", "b.jpg"], ["redo", "a.jpg"]])
def test_a_working_folder_that_is_gone_is_told_in_a_sentence(
    words: list[str], tmp_path: Path, one_sentence: Callable[[object], str]
):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    command = ["sh", "-c", script, "sh", str(gone), sys.executable, "-m", "lptn_retouch", *words]
    environment = os.environ | {"PYTHONPATH": str(SAMPLES.parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "folder is gone" in one_sentence(done.stderr.removesuffix("\n"))


ODD = b"caf\xe9 \x1b[31mred.jpg"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text_reaches_the_next_program_as_it_is_and_a_terminal_escaped(photos: Path, tmp_path: Path):
    import pty

    source = os.fsencode(photos) + b"/" + ODD
    (photos / LAKE.name).rename(os.fsdecode(source))
    out = os.fsencode(tmp_path) + b"/out/"
    done = run([b"apply", source, b"-o", out])
    assert (done.returncode, done.stdout) == (0, out + ODD + b"\n"), done.stderr
    assert Path(os.fsdecode(done.stdout[:-1])).is_file()

    terminal, inside = pty.openpty()
    done = run([b"apply", source, b"-o", out, b"--overwrite"], stdout=inside)
    os.close(inside)
    told = os.read(terminal, 10_000)
    os.close(terminal)
    assert done.returncode == 0
    assert told.endswith(b"red.jpg\r\n") and b"\x1b" not in told and b"\xe9" not in told


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
@pytest.mark.parametrize(
    "words",
    [
        ["apply", "NAME"],
        ["apply", "NAME", "-o", "NAME"],
        ["apply", "NAME", "NAME", "-o", "OUT/"],
        ["apply", "IN", "--NAME"],
        ["apply", "IN", "-p", "NAME"],
        ["apply", "IN", "-o", "NAME.gif"],
        ["verify", "NAME", "IN"],
        ["verify", "IN", "NAME"],
        ["redo", "NAME"],
        ["redo", "IN", "--source", "NAME"],
    ],
    ids=" ".join,
)
def test_no_complaint_steers_the_terminal(
    words: list[str], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    name = f"{tmp_path}/{os.fsdecode(ODD)}"
    places = {"IN": str(photos / LAKE.name), "OUT/": f"{tmp_path}/out/", "NAME": name, "NAME.gif": f"{name}.gif"}
    try:
        status = main([places.get(word, word.replace("NAME", name)) for word in words])
    except SystemExit as stop:
        status = stop.code
    err = capsys.readouterr().err
    assert status in (1, 2)
    assert err and all(line.isprintable() for line in err.splitlines())


def test_published_weights_are_said_to_want_an_import(photos: Path, capsys: pytest.CaptureFixture[str]):
    weights = photos / "weights.pth"
    weights.write_bytes(b"anything")
    for words in (["apply", str(photos / LAKE.name), "-p"], ["presets", "show"], ["presets", "export"]):
        assert main([*words, str(weights), *(["out"] if "export" in words else [])]) == 2
        err = capsys.readouterr().err
        assert f"presets import {weights} --name" in err and "there is no preset" not in err
    assert main(["apply", str(photos / LAKE.name), "-p", str(photos / "none.pth")]) == 2
    assert "import" not in capsys.readouterr().err
