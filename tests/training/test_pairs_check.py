"""Pairs are checked before anything is learnt from them, and pictures are learnt from in sRGB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from lptn_retouch.errors import TrainingError
from lptn_retouch.evaluation.pairs import score_pairs
from lptn_retouch.opening import open_photo
from lptn_retouch.training.data import pair_check
from lptn_retouch.training.data.pair_check import check_pairs, find_fault
from lptn_retouch.training.data.pairs import find_pairs
from lptn_retouch.training.data.pictures import Album, as_tensor, load_srgb
from lptn_retouch.training.run.config import config_from_dict
from lptn_retouch.training.run.lessons import prepare
from tests.places import SAMPLES

LAKE, OTTERS = SAMPLES / "lake-sherburne.jpg", SAMPLES / "oakland-zoo-otters.jpg"
PIXELS = 30_000
Change = Callable[[Image.Image], Image.Image]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPTN_RETOUCH_CACHE", str(tmp_path / "cache"))


def dusk(picture: Image.Image) -> Image.Image:
    """As strong a look as there is: a fifth of the light, and blue."""
    light = (np.asarray(picture, float) / 255) ** 1.6 * (0.16, 0.2, 0.34)
    return Image.fromarray((255 * light).round().astype(np.uint8))


def cropped(picture: Image.Image) -> Image.Image:
    w, h = picture.size
    return picture.crop((0, round(h * 0.05), round(w * 0.88), round(h * 0.93)))


def square(picture: Image.Image) -> Image.Image:
    w, h = picture.size
    return picture.crop((w - h, 0, w, h))


def straightened(picture: Image.Image) -> Image.Image:
    w, h = picture.size
    return picture.rotate(4, Image.Resampling.BILINEAR).crop((w * 0.07, h * 0.07, w * 0.93, h * 0.93))


@pytest.mark.slow
@pytest.mark.parametrize("look", [dusk, lambda picture: picture])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p, ""),
        (lambda p: p.resize((p.width // 2, p.height // 2)), ""),
        (lambda p: p.transpose(Image.Transpose.ROTATE_90), "turned by 90 degrees"),
        (lambda p: p.transpose(Image.Transpose.ROTATE_270), "turned by 90 degrees"),
        (lambda p: p.transpose(Image.Transpose.ROTATE_180), "turned by 180 degrees"),
        (ImageOps.mirror, "mirrored"),
        (cropped, "cropped"),
        (square, "cropped"),
        (straightened, "cropped, shifted or straightened"),
        (lambda _: Image.open(OTTERS), "different scenes"),
    ],
)
def test_what_is_wrong_with_a_pair_is_named_under_any_look(look: Change, change: Change, says: str):
    before = Image.open(LAKE).resize((480, 320))
    after = look(change(before).convert("RGB"))
    found = find_fault(*(as_tensor(np.asarray(picture.convert("RGB"))) for picture in (before, after)))
    assert says in found and bool(says) is bool(found)


def folders(root: Path, changes: dict[str, Change]) -> tuple[Path, Path]:
    """Pairs of before and after, each of another part of a sample, changed in after as told."""
    before, after = root / "before", root / "after"
    for folder in (before, after):
        folder.mkdir(parents=True)
    whole = Image.open(LAKE)
    for k, (name, change) in enumerate(changes.items()):
        part = whole.crop((k % 4 * 60, k // 4 * 50, k % 4 * 60 + 600, k // 4 * 50 + 400)).resize((240, 160))
        part.save(before / f"{name}.png")
        change(part).save(after / f"{name}.png")
    return before, after


@pytest.mark.slow
def test_faulty_pairs_are_left_out_and_named_with_what_to_do(tmp_path: Path):
    def other(_: Image.Image) -> Image.Image:
        return Image.open(OTTERS).resize((240, 160))

    changes = {f"good{k:02}": dusk for k in range(12)}
    changes |= {"turned": lambda p: p.transpose(Image.Transpose.ROTATE_90), "cropped": cropped, "other": other}
    before, after = folders(tmp_path, changes | {"same": lambda p: p, "lonely": dusk})
    (after / "lonely.png").rename(after / "lost.png")
    config = config_from_dict({"data": {"before": str(before), "after": str(after)}}, "here")
    said: list[str] = []
    course = prepare(config, tmp_path, said.append)
    learnt = {file.stem for files in course.files.values() for file in files}
    assert learnt == {f"good{k:02}" for k in range(12)}
    for name, word in [
        ("turned", "by 90 degrees; turn it back"),
        ("cropped", "export both alike"),
        ("other", "different scenes"),
        ("same", "the same picture; retouch it"),
        ("lonely", "no picture of its name"),
        ("lost", "no picture of its name"),
    ]:
        assert [line for line in said if line.startswith(f"left out: {name}") and word in line], (name, said)
    unchecked = config_from_dict({"data": {"before": str(before), "after": str(after), "check": False}}, "here")
    assert len(prepare(unchecked, tmp_path, said.append).lessons) > len(course.lessons)


@pytest.mark.slow
def test_folders_that_do_not_belong_together_are_refused(tmp_path: Path, one_sentence: Callable[[object], str]):
    turned: dict[str, Change] = {f"turned{k}": lambda p: p.transpose(Image.Transpose.ROTATE_90) for k in range(9)}
    before, after = folders(tmp_path, {f"good{k}": dusk for k in range(8)} | turned)
    said: list[str] = []
    with pytest.raises(TrainingError, match="9 of 17 pairs") as caught:
        check_pairs(find_pairs(before, after), PIXELS, said.append)
    assert "--no-check" in one_sentence(caught.value)
    assert said == ["left out: " + ", ".join(f"turned{k}" for k in range(6)) + " and 3 more: " + said[0].split(": ")[2]]


@pytest.mark.slow
def test_too_few_good_pairs_are_refused(tmp_path: Path):
    before, after = folders(
        tmp_path, {f"good{k}": dusk for k in range(7)} | {f"same{k}": lambda p: p for k in range(3)}
    )
    config = config_from_dict({"data": {"before": str(before), "after": str(after)}}, "here")
    with pytest.raises(TrainingError, match="there are 7"):
        prepare(config, tmp_path, lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["val", "expert-eval"])
def test_no_real_pair_is_left_out(part: str, shared: Path):
    folder = shared / "data" / "retouch" / part
    pairs = find_pairs(folder / "input", folder / "target")
    said: list[str] = []
    assert check_pairs(pairs, PIXELS, said.append) == pairs
    assert not said


@pytest.mark.slow
def test_only_unlike_pairs_are_looked_at_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before, after = folders(tmp_path, {f"good{k}": dusk for k in range(4)})
    monkeypatch.setattr(pair_check, "find_fault", lambda *_: pytest.fail("it lies on itself at first sight"))
    assert len(check_pairs(find_pairs(before, after), PIXELS, print)) == 4


@pytest.fixture
def wide(shared: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A photograph in a wide-gamut profile, and the same in sRGB without one."""
    source = next(file for file in sorted((shared / "data").rglob("*.jpg")) if is_wide(file))
    narrow = tmp_path / "narrow" / f"{source.stem}.png"
    wide = tmp_path / "wide" / source.name
    for file in (narrow, wide):
        file.parent.mkdir()
    open_photo(source).save(narrow, profile="srgb")
    wide.write_bytes(source.read_bytes())
    return wide, narrow


def is_wide(file: Path) -> bool:
    with Image.open(file) as picture:
        icc = picture.info.get("icc_profile", b"")
        return b"A\0d\0o\0b\0e\0 \0R\0G\0B" in icc or b"Adobe RGB" in icc


def test_a_wide_gamut_picture_is_learnt_from_and_measured_in_srgb(wide: tuple[Path, Path]):
    file, narrow = wide
    assert not np.array_equal(open_photo(file).pixels, open_photo(narrow).pixels)
    assert torch.equal(load_srgb(file), load_srgb(narrow))
    entries = [Album.load([(picture,)], PIXELS).entries()[0] for picture in wide]
    assert torch.equal(*entries)
    [score] = score_pairs(lambda picture: picture, file.parent, narrow.parent)
    assert score.untouched_psnr > 60
