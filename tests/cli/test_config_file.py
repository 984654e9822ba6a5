"""One's own defaults in a file: what they reach, what goes before them, and what is wrong in the file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lptn_retouch import open_photo
from lptn_retouch.cli import build_parser, main
from lptn_retouch.cli.defaults import give_defaults
from lptn_retouch.metadata.recipe import read_recipe
from tests.places import LAKE

Written = Callable[[str], Path]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Write the file of defaults."""

    def write(text: str) -> Path:
        file = tmp_path / "config.toml"
        file.write_text(text, "utf-8")
        monkeypatch.setenv("LPTN_RETOUCH_CONFIG", str(file))
        return file

    return write


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "lake.jpg"
    path.parent.mkdir()
    with Image.open(LAKE) as image:
        image.resize((160, 90)).save(path, exif=image.info["exif"])
    return path


def parsed(*words: str) -> argparse.Namespace:
    parser = build_parser()
    give_defaults(parser, words)
    return parser.parse_args(words)


def recipe(path: Path) -> Any:
    return read_recipe(open_photo(path).metadata)


def test_the_command_line_goes_before_a_table_and_that_before_the_top(config: Written):
    config('quality = 80\nmetadata = "none"\namount = 0.5\n[apply]\nquality = 85\nformat = "png"\n')
    args = parsed("apply", "x.jpg")
    assert (args.quality, args.format, args.metadata, args.amount) == (85, "png", "none", 0.5)
    assert parsed("apply", "x.jpg", "--quality", "92", "--amount", "1").quality == 92
    args = parsed("batch", "a", "b")
    assert (args.quality, args.format, args.metadata) == (80, None, "none")


def test_what_may_be_given_several_times_is_replaced_not_added_to(config: Written):
    config('[batch]\ninclude = ["*.nef", "*.jpg"]\nexclude = "rejects"\n[compare]\npreset = ["winter", "night"]')
    assert parsed("batch", "a", "b").include == ["*.nef", "*.jpg"]
    assert parsed("batch", "a", "b").exclude == ["rejects"]
    assert parsed("batch", "a", "b", "--include", "*.tif").include == ["*.tif"]
    assert parsed("compare", "x", "-o", "y").preset == ["winter", "night"]
    assert parsed("compare", "x", "-o", "y", "-p", "day").preset == ["day"]


def test_the_top_is_for_options_that_mean_the_same(config: Written):
    config('preset = "winter"\n')
    assert parsed("compare", "x", "-o", "y").preset is None, "every preset on one sheet"
    assert not parsed("redo", "x").preset


def test_a_stack_may_stand_in_the_file(config: Written):
    config('preset = ["retouch", "winter:0.6"]\n')
    assert parsed("apply", "x.jpg").preset == [("retouch", 1), ("winter", 0.6)]
    assert parsed("apply", "x.jpg", "-p", "night").preset == [("night", 1)]


@pytest.mark.slow
def test_what_excludes_a_default_switches_it_off(config: Written):
    config("quiet = true\n")
    assert parsed("apply", "x.jpg").quiet
    args = parsed("apply", "x.jpg", "-v")
    assert (args.quiet, args.verbose) == (False, True)


def test_an_option_that_must_be_there_may_stand_in_the_file(config: Written):
    config('[compare]\noutput = "sheet.jpg"\n')
    assert parsed("compare", "x").output == Path("sheet.jpg")


def test_notepads_first_bytes_and_no_file_at_all(
    config: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config("\ufeffquality = 80\n")
    assert parsed("apply", "x.jpg").quality == 80
    monkeypatch.delenv("LPTN_RETOUCH_CONFIG")
    monkeypatch.setattr("platformdirs.user_config_dir", lambda *_, **__: str(tmp_path / "nowhere"))
    assert parsed("apply", "x.jpg").quality == 92
    assert main(["config"]) == 0
    assert str(tmp_path / "nowhere" / "config.toml") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("qualty = 95", "there is no key 'qualty'; did you mean `quality`?"),
        ("bit_depth = 8", "there is no key 'bit_depth'; did you mean `bit-depth`?"),
        ("[aply]\nquality = 95", "there is no table [aply]; did you mean `apply`?"),
        ("[redo]\npreset = 'winter'", "there is no table [redo]; "),
        ("[apply]\nmetadata = 'strip'", "[apply]: metadata: one of keep, strip-private, none, not 'strip'"),
        ("quality = 300", "quality: a whole number from 1 to 100, not 300."),
        ("quality = true", "quality: a number or a word in quotes, not 'true'."),
        ("quality = [1, 2]", "quality: a number or a word in quotes, not '1, 2'."),
        ("quiet = 'yes'", "quiet: true or false, not 'yes'."),
        ("help = true", "there is no key 'help'; "),
        ("preset = winter", "this is not TOML (Invalid value (at line 1, column 10))"),
        ("preset = 'wintr'", "preset: there is no preset 'wintr'; did you mean `winter`?"),
    ],
)
def test_a_fault_is_named_with_its_place(
    text: str, says: str, config: Written, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = config(text)
    assert main(["apply", str(photo), "-o", str(tmp_path / "out.jpg")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"lptn-retouch: {file}") and says in err and err.count("\n") == 1
    assert not (tmp_path / "out.jpg").exists()


def test_a_fault_keeps_nobody_from_help_and_from_what_reads_no_defaults(
    config: Written, capsys: pytest.CaptureFixture[str]
):
    config("qualty = 95")
    assert main(["presets"]) == 0
    with pytest.raises(SystemExit) as stop:
        main(["apply", "--help"])
    assert stop.value.code == 0
    capsys.readouterr()
    assert main(["config"]) == 2
    assert "did you mean `quality`?" in capsys.readouterr().err


def test_a_file_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("LPTN_RETOUCH_CONFIG", "nowhere.toml")
    assert main(["apply", str(LAKE)]) == 2
    assert "nowhere.toml: there is no such file" in capsys.readouterr().err


def test_config_tells_what_holds(config: Written, capsys: pytest.CaptureFixture[str]):
    file = config('quality = 95\n[apply]\nquality = 90\nmetadata = "none"\n')
    assert main(["config"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(file),
        "  metadata = none  (apply)",
        "  quality = 90  (apply)",
        "  quality = 95  (batch)",
    ]


def test_redo_repeats_the_recipe_whatever_the_file_says(config: Written, photo: Path, tmp_path: Path):
    result, again = tmp_path / "result.jpg", tmp_path / "again.jpg"
    assert main(["apply", str(photo), "-p", "night", "-o", str(result)]) == 0
    config('preset = "winter"\namount = 0.5\nquality = 50\nmetadata = "none"\n')
    assert main(["redo", str(result), "--source", str(photo), "-o", str(again)]) == 0
    assert again.read_bytes() == result.read_bytes()


@pytest.mark.slow
def test_a_batch_says_what_it_has_from_the_file_and_its_rules_stay_as_they_are(
    config: Written, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = config('preset = "winter"\namount = 0.5\n')
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "dusk*"\npreset = "night"\n')
    (photo.parent / "dusk.jpg").write_bytes(photo.read_bytes())
    words = ["batch", str(photo.parent), str(tmp_path / "ruled"), "--workers", "1"]
    assert main([*words, "--rules", str(rules)]) == 0
    assert str(file) not in capsys.readouterr().err
    found = {path.stem: recipe(path) for path in (tmp_path / "ruled").glob("*.jpg")}
    assert (found["dusk"].preset, found["dusk"].amount) == ("night", 1)
    assert (found["lake"].preset, found["lake"].amount) == ("retouch", 1)
    words[2] = str(tmp_path / "plain")
    assert main(words) == 0
    assert f"From {file}: preset winter, amount 0.5." in capsys.readouterr().err
    assert recipe(tmp_path / "plain" / "lake.jpg").preset == "winter"
