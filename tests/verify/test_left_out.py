"""Metadata that was left out on purpose: `verify` does not call it lost, and the recipe names no source."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lptn_retouch import open_photo, retouch
from lptn_retouch.cli import main
from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.metadata.recipe import read_recipe

SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[:120, :240], 60), axis=2).astype(np.uint8)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F], exif[0x8298] = "Maker", "Somebody"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 0.0)
    path = tmp_path / "anna-4711.jpg"
    Image.fromarray(SMOOTH).save(path, exif=exif, icc_profile=adobe_rgb_profile())
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "avif", "jxl"])
def test_verify_is_told_that_nothing_should_be_kept(
    private: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = private.with_name(f"bare.{ending}")
    assert main(["apply", str(private), "-o", str(bare), "--metadata", "none"]) == 0
    capsys.readouterr()
    assert main(["verify", str(private), str(bare), "--metadata", "none"]) == 0, capsys.readouterr().out
    out, err = capsys.readouterr()
    assert "dropped  GPS GPSLatitude" in out and "metadata=none" in out and not err
    assert main(["verify", str(private), str(bare)]) == 1, "nothing in it says that it was meant"
    assert "--metadata none" in capsys.readouterr().err


def test_a_lost_profile_is_lost_all_the_same(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = private.with_name("bare.jpg")
    Image.fromarray(SMOOTH).save(bare)
    assert main(["verify", str(private), str(bare), "--metadata", "none"]) == 1
    assert "lost     ICC" in capsys.readouterr().out


def test_no_advice_where_something_is_kept(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some = private.with_name("some.jpg")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.fromarray(SMOOTH).save(some, exif=exif)
    assert main(["verify", str(private), str(some)]) == 1
    assert "--metadata none" not in capsys.readouterr().err


@pytest.mark.parametrize("what", ["missing", "text", "folder", "empty"])
@pytest.mark.parametrize("first", [True, False])
def test_verify_says_that_a_file_cannot_be_read(
    private: Path, what: str, first: bool, capsys: pytest.CaptureFixture[str], one_sentence: Callable[[object], str]
) -> None:
    """With status 2: 1 says that tags are lost."""
    other = private.with_name("other.jpg")
    if what == "folder":
        other.mkdir()
    elif what != "missing":
        other.write_text("no picture" * (what == "text"))
    files = [str(other), str(private)] if first else [str(private), str(other)]
    assert main(["verify", *files]) == 2
    out, err = capsys.readouterr()
    assert not out and "other.jpg" in one_sentence(err.removesuffix("\n"))


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "avif", "jxl"])
def test_what_is_stripped_of_private_data_names_no_source(
    private: Path, ending: str, capsys: pytest.CaptureFixture[str], one_sentence: Callable[[object], str]
) -> None:
    result = private.with_name(f"result.{ending}")
    assert main(["apply", str(private), "-o", str(result), "--metadata", "strip-private"]) == 0
    content = result.read_bytes()
    assert b"anna-4711" not in content
    assert hashlib.sha256(private.read_bytes()).hexdigest().encode() not in content
    capsys.readouterr()
    assert main(["redo", str(result)]) == 2
    assert "as private; name the file itself with --source" in one_sentence(capsys.readouterr().err.removesuffix("\n"))
    again = private.with_name(f"again.{ending}")
    assert main(["redo", str(result), "--source", str(private), "-o", str(again)]) == 0
    assert "nobody checked" in capsys.readouterr().err
    assert np.array_equal(open_photo(again).pixels, open_photo(result).pixels)


def test_a_result_saved_once_more_without_private_data_names_no_source_either(private: Path) -> None:
    kept = private.with_name("kept.jpg")
    retouch(private, device="cpu").save(kept)
    assert b"anna-4711" in kept.read_bytes()
    bare = private.with_name("bare.jpg")
    open_photo(kept).save(bare, metadata="strip-private")
    assert b"anna-4711" not in bare.read_bytes() and b"SourceSHA256" not in bare.read_bytes()
    recipe = read_recipe(open_photo(bare).metadata)
    assert recipe is not None and (recipe.source_name, recipe.source_sha256) == ("", "")
