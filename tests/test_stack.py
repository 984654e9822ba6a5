"""Several presets one after the other, and masks: laws that hold of any stack, and what is told of it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch import Photo, Retoucher, errors, open_photo, retouch, retouch_folder
from lptn_retouch.batch.rules import read_rules
from lptn_retouch.batch.settings import Look, Output, recipe_of
from lptn_retouch.cli import main
from lptn_retouch.engine.choose import choose_engine
from lptn_retouch.engine.stack import StackEngine
from lptn_retouch.errors import MetadataError, UnsupportedPhotoError, UsageError
from lptn_retouch.mask import open_mask
from lptn_retouch.metadata import Metadata
from lptn_retouch.metadata.recipe import RECIPE, Recipe, Step, read_recipe, with_recipe
from lptn_retouch.metadata.xmp.edit import with_properties
from lptn_retouch.preset import load_preset
from lptn_retouch.stack import parse_step
from tests.places import LAKE

STACK = ["retouch", ("winter", 0.6)]  # both act on the lake
FULL = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}


@pytest.fixture(scope="module")
def lake() -> Any:
    """(150, 267, 3) float32 of a real photograph, finer than 8 bits."""
    pixels = open_photo(LAKE).fitted(1068).pixels[:600].astype(np.float32)
    return pixels.reshape(150, 4, 267, 4, 3).mean((1, 3)) / 255


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The same as a JPEG with its EXIF."""
    path = tmp_path / "lake.jpg"
    open_photo(LAKE).fitted(267).save(path)
    return path


def of_kind(lake: Any, kind: str) -> Any:
    dtype = np.dtype(kind.removesuffix("+alpha"))
    picture = lake if dtype == np.float32 else np.rint(lake * FULL[dtype]).astype(dtype)
    if kind.endswith("+alpha"):
        alpha = np.broadcast_to(np.linspace(0, 1, picture.shape[1], dtype=np.float32), picture.shape[:2])
        picture = np.dstack([picture, (alpha * FULL[dtype]).astype(dtype)])
    return picture


kinds = st.sampled_from(["uint8", "uint16", "float32", "uint8+alpha", "uint16+alpha", "float32+alpha"])
strengths = st.sampled_from([0, 0.25, 0.5, 1])
few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
one, two = (Retoucher(name) for name in ("retouch", "winter"))


@few
@given(kinds, strengths, strengths, strengths, st.booleans())
def test_a_stack_of_one_is_that_preset_bit_for_bit(
    lake: Any, kind: str, strength: float, amount: float, detail: float, masked: bool
) -> None:
    picture = of_kind(lake, kind)
    mask = np.linspace(0, 1, picture[..., 0].size, dtype=np.float32).reshape(picture.shape[:2]) if masked else None
    alone = one(picture, amount=strength * amount, detail=strength * detail, mask=mask)
    stacked = Retoucher([(one.preset, strength)])(picture, amount=amount, detail=detail, mask=mask)
    with_nothing = Retoucher([("winter", 0), (one.preset, strength), ("night", 0)])
    assert stacked.dtype == picture.dtype and np.array_equal(stacked, alone)
    assert np.array_equal(with_nothing(picture, amount=amount, detail=detail, mask=mask), alone)


@few
@given(kinds, st.integers(1, 4), strengths)
def test_steps_of_no_strength_are_the_input_bit_for_bit(lake: Any, kind: str, count: int, amount: float) -> None:
    picture = of_kind(lake, kind)
    result = Retoucher([(two.preset, 0)] * count)(picture, amount=amount)
    assert np.array_equal(result, picture) and not np.shares_memory(result, picture)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "uint8+alpha"])
def test_nothing_is_rounded_to_8_bits_between(lake: Any, kind: str) -> None:
    picture = of_kind(lake, kind)
    full = FULL[picture.dtype]
    colours = picture[..., :3].astype(np.float32) / np.float32(full)
    exact = two(one(colours), amount=0.6, detail=0.6) if not kind.endswith("alpha") else None
    result = Retoucher(STACK)(picture)
    assert np.array_equal(result[..., 3:], picture[..., 3:])
    if exact is not None:
        off = np.abs(result / full - exact) * 255
        in_two_runs = np.abs(two(one(picture), amount=0.6, detail=0.6) / full - exact) * 255
        assert off.max() < 0.6
        assert off.mean() < 0.26 if kind == "uint8" else off.mean() < 0.01  # a rounding's own is 0.25 of a level
        assert kind != "uint8" or in_two_runs.mean() > 1.2 * off.mean()
    assert np.abs(result.astype(float) - picture).mean() > 0.02 * full, "the stack did nothing"


@pytest.mark.slow
@few
@given(kinds, st.integers(0, 2**32 - 1))
def test_a_mask_is_for_the_whole_stack(lake: Any, kind: str, seed: int) -> None:
    picture = of_kind(lake, kind)
    mask = np.random.default_rng(seed).choice(np.array([0, 0.5, 1], np.float32), picture.shape[:2])
    stack = Retoucher(STACK)
    everywhere, result = stack(picture), stack(picture, mask=mask)
    assert np.array_equal(result[mask == 1], everywhere[mask == 1])
    assert np.array_equal(result[mask == 0], picture[mask == 0])
    half = (picture[mask == 0.5].astype(float) + everywhere[mask == 0.5]) / 2
    assert np.abs(result[mask == 0.5] - half).max() <= 1.01 / (255 if picture.dtype == np.float32 else 1)


def test_every_kind_of_picture_takes_a_stack(lake: Any, small: Path) -> None:
    import torch

    stack = Retoucher(STACK)
    assert np.array_equal(retouch(lake, STACK), stack(lake))
    assert not np.array_equal(retouch(lake, ["retouch", ("winter", 0.5)]), stack(lake))
    tensor = stack(torch.from_numpy(lake.transpose(2, 0, 1).copy()))
    assert np.array_equal(tensor.numpy().transpose(1, 2, 0), stack(lake))
    from_file, photo = stack(small), open_photo(small)
    kept = photo.pixels.copy()
    assert np.array_equal(from_file.pixels, stack(photo).pixels) and np.array_equal(photo.pixels, kept)
    with Image.open(small) as image:
        assert np.array_equal(np.asarray(stack(image)), from_file.pixels)
    plain = Retoucher(STACK, "reference")(lake)
    assert np.abs(plain - stack(lake)).max() < 0.02
    batch = Retoucher(STACK, "reference")(torch.from_numpy(lake.transpose(2, 0, 1).copy())[None])
    assert np.abs(batch[0].numpy().transpose(1, 2, 0) - plain).max() < 1e-5


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_what_a_stack_takes_is_known_before(lake: Any, kind: str) -> None:
    picture = of_kind(np.tile(lake, (6, 6, 1)), kind)
    engine = StackEngine([(choose_engine(load_preset(name), "cpu"), 1) for name in ("retouch", "winter")])
    engine(picture[:200, :200], 1, 1)  # compiled, imported
    tracemalloc.start()
    out = np.empty_like(picture)
    engine(picture, 1, 1, None, out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= out.nbytes + engine.memory(*picture.shape[:2], picture.dtype)
    with pytest.raises(errors.TooLargeError):
        Retoucher(STACK, memory_limit=peak)(picture)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("winter", ("winter", 1)),
        ("winter:0.6", ("winter", 0.6)),
        ("winter:0,6", ("winter", 0.6)),
        (r"C:\looks\dusk.safetensors", (r"C:\looks\dusk.safetensors", 1)),
        (r"C:\looks\dusk.safetensors:1.5", (r"C:\looks\dusk.safetensors", 1.5)),
        ("C:/looks/dusk.safetensors:2", ("C:/looks/dusk.safetensors", 2)),
        ("hf://owner/name", ("hf://owner/name", 1)),
        ("hf://owner/name:0", ("hf://owner/name", 0)),
    ],
)
def test_an_amount_stands_behind_a_colon(text: str, step: tuple[str, float]) -> None:
    assert parse_step(text) == step


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["retouch"] * 17,
        [("winter", 2.1)],
        [("winter", -1)],
        [("winter", float("nan"))],
        [["winter"]],
        [1],
        ("a", 3),
    ],
)
def test_a_wrong_stack_is_refused_in_a_sentence(wrong: Any, one_sentence: Callable[[object], str]) -> None:
    for call in (Retoucher, Look, lambda stack: retouch(np.zeros((4, 4, 3), np.uint8), stack)):
        with pytest.raises(UsageError) as caught:
            call(wrong)
        one_sentence(caught.value)


def test_strengths_that_add_up_to_too_much_are_refused(one_sentence: Callable[[object], str]) -> None:
    stack = Retoucher([("retouch", 1.5)])
    for call in (
        lambda: stack(np.zeros((4, 4, 3), np.uint8), detail=1.5),
        lambda: Look([("retouch", 1.5)], amount=1.5),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert "retouch" in one_sentence(caught.value)


# Recipes.

hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
steps = st.builds(Step, st.sampled_from(["winter", "my-look.2", ""]), st.sampled_from(["", "3", "1.0 beta"]), hashes,
                  st.floats(0, 2))  # fmt: skip


@pytest.mark.slow
@given(steps, st.lists(steps, max_size=15), st.booleans(), st.sampled_from(["", "sky.png"]))
def test_a_stack_is_read_as_it_was_written(first: Step, then: list[Step], sharpened: bool, mask: str) -> None:
    recipe = Recipe(first.preset, first.preset_version, first.weights_sha256, 1.0, 0.5, bool(mask), "a.jpg", "cd" * 32,
                    strength=first.strength, then=tuple(then), sharpened=sharpened, mask_name=mask,
                    mask_sha256="ef" * 32 if mask else "")  # fmt: skip
    found = read_recipe(with_recipe(Metadata(), recipe, altered=False)[0])
    assert found == recipe and found.steps == (first, *then)


@pytest.mark.parametrize(
    "forged",
    [{"Preset_2": "../x"}, {"Strength_2": "3"}, {"Strength_2": None}, {"WeightsSHA256_2": "x"}, {"Steps": "3"},
     {"Steps": "99999"}, {"Steps": "1"}, {"MaskSHA256": "x"}, {"MaskName": "../x"}, {"Sharpened": "maybe"}],
)  # fmt: skip
def test_a_forged_stack_is_refused(forged: dict[str, str | None]) -> None:
    values: dict[str, str | None] = {
        "Preset": "winter", "PresetVersion": "1", "WeightsSHA256": "ab" * 32, "Amount": "1.0", "Detail": "1.0",
        "Masked": "False", "SourceName": "a.jpg", "SourceSHA256": "cd" * 32, "Alters": "", "Version": "1", "Steps": "2",
        "Preset_2": "night", "PresetVersion_2": "1", "WeightsSHA256_2": "ab" * 32, "Strength_2": "1.0",
    }  # fmt: skip

    def read(values: dict[str, str | None]) -> Recipe | None:
        there = {name: value for name, value in values.items() if value is not None}
        return read_recipe(Metadata.build(xmp=with_properties(None, RECIPE, "lptn", there)))

    found = read(values)
    assert found is not None and [step.preset for step in found.steps] == ["winter", "night"]
    with pytest.raises(MetadataError):
        read(values | forged)


# The command line.


@pytest.mark.slow
def test_apply_makes_a_stack_and_redo_makes_it_again(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", str(small), "-p", "retouch", "-p", "winter:0.6", "--amount", "0.9", "--format", "png"]) == 0
    result = small.with_name("lake-retouch-winter.png")
    assert np.array_equal(open_photo(result).pixels, Retoucher(STACK)(small, amount=0.9).pixels)
    assert main(["redo", str(result)]) == 0
    assert small.with_name("lake-retouch-winter-redo.png").read_bytes() == result.read_bytes()
    own = shutil.copy(load_preset("winter").path, small.with_name("mine.safetensors"))
    assert main(["redo", str(result), "-p", str(own), "-o", str(small.with_name("own.png"))]) == 0
    assert np.array_equal(open_photo(small.with_name("own.png")).pixels, open_photo(result).pixels)
    capsys.readouterr()
    assert main(["redo", str(result), "-p", "night", "--overwrite"]) == 1
    assert "night here has other weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [(["-p", "winter:9"], "0 to 2"), (["-p", "retouch", "-p", "wnter:0.5"], "wnter"),
     (["-p", "winter:strong"], "strong"), (["-p", "winter:1.5", "--amount", "2"], "more than 2"),
     (["-p", "retouch"] * 17, "16 presets"), (["--max-size", "small"], "500KB"), (["--long-edge", "3"], "16")],
)  # fmt: skip
def test_wrong_words_are_a_sentence_and_status_2(
    small: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["apply", str(small), *words])
    except SystemExit as left:
        status = int(left.code or 0)
    assert status == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in small.parent.iterdir()] == ["lake.jpg"]


@pytest.mark.slow
def test_a_batch_tells_stacks_apart_and_does_them(tmp_path: Path, small: Path) -> None:
    (tmp_path / "in" / "hills").mkdir(parents=True)
    for name in ("a.jpg", "hills/b.jpg"):
        shutil.copy(small, tmp_path / "in" / name)
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nfolder = "hills"\npreset = ["winter:0.6", "retouch"]\n')
    done = {r.file: r for r in retouch_folder(tmp_path / "in", tmp_path / "out", STACK, rules=rules, workers=1)}
    assert [done[name].preset for name in ("a.jpg", str(Path("hills/b.jpg")))] == ["retouch-winter", "winter-retouch"]
    Retoucher(STACK)(small).save(tmp_path / "alone.jpg")
    assert (tmp_path / "out" / "a.jpg").read_bytes()[-9000:] == (tmp_path / "alone.jpg").read_bytes()[-9000:]
    other = [("retouch", 1.0), ("winter", 0.5)]
    outcomes = [r.outcome for r in retouch_folder(tmp_path / "in", tmp_path / "out", STACK, rules=rules, workers=1)]
    assert outcomes == ["skipped", "skipped"]
    outcomes = [r.outcome for r in retouch_folder(tmp_path / "in", tmp_path / "out", other, rules=rules, workers=1)]
    assert sorted(outcomes) == ["done", "skipped"]


def test_a_journal_tells_every_look_from_every_other() -> None:
    looks = [Look("retouch"), Look(STACK), Look([("winter", 0.6), "retouch"]), Look([("retouch", 0.6)]),
             Look(["retouch", ("winter", 0.5)]), Look("retouch", mask="a.png")]  # fmt: skip
    recipes = [
        json.dumps(recipe_of(look, tuple("ab" for _ in range(3)), (Output(),)), sort_keys=True) for look in looks
    ]
    assert len(set(recipes)) == len(looks) == len(set(looks))
    assert Look(["retouch"]) == Look("retouch") and hash(Look(["retouch"])) == hash(Look("retouch"))
    assert "stack" not in recipes[0], "a journal from before is gone on with"


@pytest.mark.parametrize("given", ["[]", '["retouch", 3]', '"winter:9"', '["winter:x"]', "3"])
def test_a_rule_with_a_wrong_stack_is_told(tmp_path: Path, given: str, one_sentence: Callable[[object], str]) -> None:
    (tmp_path / "rules.toml").write_text(f'[[rule]]\nname = "*"\npreset = {given}\n')
    with pytest.raises(UsageError) as caught:
        read_rules(tmp_path / "rules.toml")
    assert "rule 1" in one_sentence(caught.value)


# Masks.


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """White to the left, black to the right, of the lake's shape and another size."""
    grey = np.zeros((300, 534), np.uint8)
    grey[:, :267] = 255
    path = tmp_path / "half.png"
    Image.fromarray(grey).save(path)
    return path


def test_apply_takes_a_mask_and_so_does_redo(small: Path, half: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = small.with_name("masked.png")
    assert main(["apply", str(small), "--mask", str(half), "-o", str(result)]) == 0
    before, after, everywhere = (p.pixels for p in (open_photo(small), open_photo(result), retouch(small)))
    assert np.array_equal(after[:, :130], everywhere[:, :130]) and np.array_equal(after[:, 138:], before[:, 138:])
    recipe = read_recipe(open_photo(result).metadata)
    assert recipe is not None and recipe.masked
    assert (recipe.mask_name, recipe.mask_sha256) == ("half.png", hashlib.sha256(half.read_bytes()).hexdigest())
    capsys.readouterr()
    assert main(["redo", str(result)]) == 2
    assert "half.png" in capsys.readouterr().err
    assert main(["redo", str(result), "--mask", str(half)]) == 0
    assert small.with_name("masked-redo.png").read_bytes() == result.read_bytes()
    Image.new("L", (534, 300), 255).save(half)
    assert main(["redo", str(result), "--mask", str(half), "--overwrite"]) == 1
    assert "content is another" in capsys.readouterr().err


def test_a_mask_of_another_shape_is_told_with_both_sizes(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (300, 300), 255).save(tmp_path / "square.png")
    shutil.copy(tmp_path / "square.png", tmp_path / "picture.png")
    words = ["apply", str(small), str(tmp_path / "picture.png"), "--mask", str(tmp_path / "square.png")]
    assert main([*words, "-o", f"{tmp_path}/out/"]) == 1
    assert "300 x 300" in (err := capsys.readouterr().err) and "267 x 150" in err and "lake.jpg" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["picture.png"], "the one that it fits is done"


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.jpg", "m.webp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_mask_is_of_any_format_and_depth(tmp_path: Path, name: str, dtype: type) -> None:
    wanted = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (40, 1))
    full = FULL[np.dtype(dtype)]
    grey = np.repeat((wanted * full).astype(dtype)[..., None], 3, axis=2)
    Photo(grey).save(tmp_path / name, quality=100)
    assert np.abs(open_mask(tmp_path / name).weights - wanted).max() < 0.02


def test_the_opacity_of_a_transparent_picture_is_the_mask(tmp_path: Path) -> None:
    cut_out = np.zeros((4, 6, 4), np.uint8)
    cut_out[..., 0], cut_out[:2, :, 3] = 200, 255
    Image.fromarray(cut_out).save(tmp_path / "cut-out.png")
    assert open_mask(tmp_path / "cut-out.png").weights.mean(1).tolist() == [1, 1, 0, 0]
    cut_out[..., :3], cut_out[..., 3] = 51, 255  # opaque: its grey counts
    Image.fromarray(cut_out).save(tmp_path / "grey.png")
    assert np.allclose(open_mask(tmp_path / "grey.png").weights, 0.2)


def test_a_photograph_is_no_mask(small: Path, one_sentence: Callable[[object], str]) -> None:
    with pytest.raises(UnsupportedPhotoError) as caught:
        open_mask(small)
    assert "lake.jpg" in one_sentence(caught.value)


def test_a_photograph_and_its_mask_stand_upright(tmp_path: Path, small: Path, half: Path) -> None:
    lying = Image.Exif()
    lying[0x0112] = 6
    with Image.open(small) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "lying.jpg", exif=lying, quality=95)
    with Image.open(half) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "lying-mask.png", exif=lying)
    results = [retouch(tmp_path / "lying.jpg", mask=mask) for mask in (half, tmp_path / "lying-mask.png")]
    assert (results[0].width, results[0].height) == (267, 150)
    assert np.array_equal(results[0].pixels, results[1].pixels)


@pytest.mark.slow
def test_a_batch_takes_a_mask_and_knows_it_again(tmp_path: Path, small: Path, half: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(small, tmp_path / "in" / "a.jpg")

    def outcomes() -> list[str]:
        return [r.outcome for r in retouch_folder(tmp_path / "in", tmp_path / "out", mask=half, workers=1)]

    assert outcomes() == ["done"] and outcomes() == ["skipped"]
    Image.new("L", (534, 300), 90).save(half)
    assert outcomes() == ["done"], "the mask is another one now"
    half.unlink()
    with pytest.raises(UsageError):
        outcomes()


def test_a_mask_from_memory_is_still_not_repeated(tmp_path: Path, small: Path) -> None:
    photo = retouch(small, mask=np.ones((150, 267), np.float32))
    assert photo.recipe == replace(photo.recipe, masked=True, mask_sha256="", mask_name="")
    photo.save(tmp_path / "masked.png")
    assert main(["redo", str(tmp_path / "masked.png")]) == 1
