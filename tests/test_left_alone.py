"""A look that leaves a picture alone, or acts in part, says so wherever a user would look; grey files stay grey."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lptn_retouch import Photo, Retoucher, load_preset, open_photo
from lptn_retouch.cli import main
from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.engine.choose import choose_engine
from lptn_retouch.engine.retouched import Retouched
from lptn_retouch.metadata import Metadata
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.lptn import LPTN
from lptn_retouch.preset import Preset, write_preset
from lptn_retouch.retoucher import retouch
from lptn_retouch.serve.pictures import Layout, Picture, retouched

Giving = Callable[[GradedLPTN, float], GradedLPTN]

PICTURE = np.random.default_rng(7).integers(0, 256, (180, 240, 3), np.uint8)
DEVICES = ("cpu", "reference")


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory, tiny: GradedLPTN, giving: Giving) -> dict[float, Preset]:
    """Presets that give every picture the same share of their look."""
    folder = tmp_path_factory.mktemp("shares")
    return {
        share: load_preset(write_preset(folder / f"part-{share}.safetensors", giving(tiny, share).state_dict(), {}))
        for share in (0.0, 0.3, 0.97, 1.0)
    }


@pytest.mark.parametrize("device", DEVICES)
def test_a_photo_says_that_it_was_left_alone(
    shares: dict[float, Preset], device: str, one_sentence: Callable[[object], str]
) -> None:
    photo = Photo(PICTURE, notices=("It was scanned.",))
    result = Retoucher(shares[0.0], device)(photo)
    assert np.array_equal(result.pixels, PICTURE)
    said = result.notices
    assert said[0] == "It was scanned." and len(said) == 2
    assert "part-0.0 left this picture alone" in one_sentence(said[1])


@pytest.mark.parametrize("device", DEVICES)
def test_in_part_is_said_with_its_share(
    shares: dict[float, Preset], device: str, one_sentence: Callable[[object], str]
) -> None:
    (said,) = Retoucher(shares[0.3], device)(Photo(PICTURE)).notices
    assert "part-0.3 acts at 30 % here" in one_sentence(said)


@pytest.mark.parametrize("share", [0.97, 1.0])
@pytest.mark.parametrize("device", DEVICES)
def test_a_look_that_acts_says_nothing(shares: dict[float, Preset], device: str, share: float) -> None:
    assert Retoucher(shares[share], device)(Photo(PICTURE)).notices == ()


def test_each_look_of_a_stack_speaks_for_itself(shares: dict[float, Preset]) -> None:
    stack = [shares[1.0], (shares[0.3], 0.0), (shares[0.3], 0.5), shares[0.0]]
    for device in DEVICES:
        told = Retoucher(stack, device)(Photo(PICTURE)).notices
        assert [notice.split()[2] for notice in told] == ["part-0.3", "part-0.0"], told


def test_a_picture_nobody_looked_at_says_nothing(shares: dict[float, Preset]) -> None:
    assert Retoucher(shares[0.0], "cpu")(Photo(PICTURE), amount=0, detail=0).notices == ()


@pytest.mark.parametrize("kind", ["alpha", "hidden", "wide", "masked"])
def test_every_way_through_says_it(shares: dict[float, Preset], kind: str) -> None:
    alpha = np.full((*PICTURE.shape[:2], 1), 200, np.uint8)
    if kind == "hidden":
        alpha[:50] = 0
    photo = Photo(PICTURE if kind in ("wide", "masked") else np.concatenate([PICTURE, alpha], 2))
    if kind == "wide":
        photo = replace(photo, color_space="Adobe RGB", metadata=Metadata.build(icc=adobe_rgb_profile()))
    mask = np.ones(PICTURE.shape[:2]) if kind == "masked" else None
    (said,) = Retoucher(shares[0.3], "cpu")(photo, mask=mask).notices
    assert "30 %" in said


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_engines_tell_the_same_share(tiny_preset: Preset, dtype: type[np.generic]) -> None:
    """Of pictures that the gate is in doubt about."""
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max  # type: ignore[type-var]
    engines = [choose_engine(tiny_preset, device) for device in DEVICES]
    for seed in range(4):
        levels = np.random.default_rng(seed).random((90, 130, 3)) ** (0.3 + seed)
        picture = (levels * full).astype(dtype)
        told = [engine.retouch(picture, 1, 1) for engine in engines]
        assert all(isinstance(one, Retouched) for one in told)
        assert 0 < told[0].shares[0] < 1
        assert told[0].shares == pytest.approx(told[1].shares, abs=1e-4)


def test_each_of_many_threads_hears_of_its_own_picture(tiny_preset: Preset) -> None:
    """The share is part of the result: a retoucher keeps none that another thread could read."""
    retoucher = Retoucher(tiny_preset, "cpu")
    engine = retoucher._engine
    pictures = [(np.random.default_rng(s).random((60, 80, 3)) ** (0.2 + s) * 255).astype(np.uint8) for s in range(6)]
    alone = [engine.retouch(picture, 1, 1).shares[0] for picture in pictures]
    assert len(set(alone)) == len(alone)
    start = threading.Barrier(4)

    def run(_: int) -> list[float]:
        start.wait(60)
        return [engine.retouch(picture, 1, 1).shares[0] for picture in pictures * 3]

    with ThreadPoolExecutor(4) as pool:
        for told in pool.map(run, range(4)):
            assert told == alone * 3


# Where a user looks.


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: GradedLPTN, giving: Giving) -> Path:
    """A folder with a photograph, and the installed preset "shy", which leaves all alone."""
    monkeypatch.setenv("LPTN_RETOUCH_PRESETS", str(tmp_path / "presets"))
    write_preset(tmp_path / "presets" / "shy.safetensors", giving(tiny, 0.0).state_dict(), {})
    folder = tmp_path / "photos"
    folder.mkdir()
    Photo(PICTURE).save(folder / "a.png")
    return folder


def test_apply_prints_it(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", str(left / "a.png"), "-p", "shy", "--device", "cpu"]) == 0
    assert "note: The preset shy left this picture alone" in capsys.readouterr().err


@pytest.mark.slow
def test_a_batch_keeps_it_in_its_journal_and_tells_it_again(left: Path, tmp_path: Path) -> None:
    from lptn_retouch import retouch_folder

    for _ in range(2):  # done, then skipped: from the journal
        preset = tmp_path / "presets" / "shy.safetensors"  # by path: workers may have begun before it had a folder
        (result,) = retouch_folder(left, tmp_path / "out", preset, device="cpu", workers=1)
        assert any("left this picture alone" in notice for notice in result.notices), result
    assert result.outcome == "skipped"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_editor_is_told(left: Path, channels: int) -> None:
    assert left.is_dir()
    layout = Layout(240, 180, channels, "u8")
    samples = np.random.default_rng(channels).integers(0, 256, layout.size, np.uint8)
    picture = Picture(layout, samples, np.empty(0, np.uint8))
    payload, notices = retouched(picture, Retoucher("shy", "cpu"), 1, 1, ours=False)
    assert bytes(payload) == samples.tobytes()
    assert any("left this picture alone" in notice for notice in notices), notices


# Files of one channel.


def grey_file(folder: Path, kind: str) -> Path:
    y, x = np.mgrid[:120, :160]
    level = (x + y) / 278
    eight = np.rint(level * 255).astype(np.uint8)
    path = folder / f"{kind}.{'tif' if kind in ('deep', 'float') else 'jpg' if kind == 'jpeg' else 'png'}"
    if kind in ("deep", "float"):
        import tifffile

        deep = np.rint(level * 65535).astype(np.uint16) if kind == "deep" else level.astype(np.float32)
        tifffile.imwrite(path, deep, photometric="minisblack")
    elif kind == "alpha":
        Image.merge("LA", [Image.fromarray(eight), Image.fromarray(255 - eight // 2)]).save(path)
    elif kind == "bits":
        Image.fromarray(((x // 8 + y // 8) % 2 * 255).astype(np.uint8)).convert("1").save(path)
    else:
        Image.fromarray(eight).save(path)
    return path


KINDS = ["plain", "jpeg", "alpha", "deep", "float", "bits"]


@pytest.mark.parametrize("preset", ["retouch", "golden-hour", "coloured"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_grey_file_is_grey_in_memory_as_on_disk(
    tmp_path: Path, kind: str, preset: str, coloured: Preset, one_sentence: Callable[[object], str]
) -> None:
    source = open_photo(grey_file(tmp_path, kind))
    assert source.source.grey
    result = retouch(source, coloured if preset == "coloured" else preset, device="cpu")
    colours = result.pixels[..., :3]
    assert (colours == colours[..., :1]).all()
    saved = result.save(tmp_path / f"result{'.tif' if kind in ('deep', 'float') else '.png'}")
    again = open_photo(saved.path)
    assert again.source.grey and np.array_equal(again.pixels, result.pixels)
    said = [notice for notice in result.notices if "black-and-white" in notice]
    assert len(said) == (preset == "coloured")
    for notice in said:
        one_sentence(notice)
    assert not np.array_equal(colours, source.pixels[..., :3]) or preset != "coloured"


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory, fill: Callable[..., LPTN]) -> Preset:
    """A network of the published form, which knows nothing of grey and gives it colours."""
    path = tmp_path_factory.mktemp("published") / "published.safetensors"
    return load_preset(write_preset(path, fill(LPTN(), strength=1.0).state_dict(), {}))
