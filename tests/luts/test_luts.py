"""Looks travel as look-up tables: out of a preset and a photograph, in as a preset, and to a network as its teacher.

What is read and written is held to two others that read and write it: OpenColorIO and colour-science.
"""

import colorsys
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from safetensors.numpy import save_file

from lptn_retouch import Photo, Retoucher, load_preset, open_photo, retouch
from lptn_retouch.cli import main
from lptn_retouch.color.difference import delta_e, lab
from lptn_retouch.engine import lut as lut_engine
from lptn_retouch.engine.choose import choose_engine, needs_torch
from lptn_retouch.engine.lut import LutEngine
from lptn_retouch.engine.reference import ReferenceEngine
from lptn_retouch.errors import InvalidPresetError, TooLargeError, TrainingError
from lptn_retouch.luts.cube import read_cube, write_cube
from lptn_retouch.luts.fit import fit_look, fitted, looked_up
from lptn_retouch.luts.hald import read_hald, write_hald
from lptn_retouch.model.checkpoint import build_network
from lptn_retouch.model.lut import UNIT, Lut, identity
from lptn_retouch.preset import write_preset
from lptn_retouch.sharing import export_preset, import_preset
from lptn_retouch.training.run.config import config_from_dict
from lptn_retouch.training.run.lessons import prepare
from lptn_retouch.training.teachers.taught import of_table
from tests.places import LAKE

Sentence = Callable[[object], str]
Output = pytest.CaptureFixture[str]
DOMAIN = np.array([[-0.1, 0.0, 0.1], [1.5, 1.0, 0.9]], np.float32)


def random_lut(size: int, curves: bool = False, domain: np.ndarray = UNIT, seed: int = 0) -> Lut:
    """A table that leads anywhere, also beyond black and white."""
    shape = (size, 3) if curves else (size, size, size, 3)
    return Lut(np.random.default_rng(seed).uniform(-0.2, 1.2, shape).astype(np.float32), domain, "any")


def warm(size: int = 17) -> Lut:
    """A look: warmer, and with more contrast."""
    table = identity(size).table
    curved = table + 0.4 * (table - 0.5) * table * (1 - table) * 4
    return Lut(np.clip(curved * np.float32([1.05, 1.0, 0.85]), 0, 1), UNIT, "warm")


@pytest.fixture(scope="module")
def lake() -> np.ndarray:
    """A photograph, every fourth pixel."""
    return np.ascontiguousarray(open_photo(LAKE).pixels[::4, ::4])


@pytest.fixture(scope="module")
def ocio() -> ModuleType:
    return pytest.importorskip("PyOpenColorIO")


@pytest.fixture(scope="module")
def colour() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it would use if it were there
        with np.printoptions():  # which it changes for the whole process, and doctests see
            return pytest.importorskip("colour")


def by_ocio(ocio: ModuleType, file: Path, colours: np.ndarray) -> np.ndarray:
    """What OpenColorIO makes of colours (n, 3) with a file, tetrahedrally."""
    transform = ocio.FileTransform(str(file), interpolation=ocio.INTERP_TETRAHEDRAL)
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    found = np.array(colours, np.float32, order="C")
    processor.getDefaultCPUProcessor().applyRGB(found)
    return found


def made_by(lut: Lut, colours: np.ndarray) -> np.ndarray:
    """What the reference makes of colours (n, 3), not clipped."""
    with torch.no_grad():
        found = build_network(lut.weights)(torch.tensor(colours, dtype=torch.float32).T[None, :, None])
    return found[0, :, 0].T.numpy()


# Files.


@settings(max_examples=40, deadline=None)
@given(data=st.data(), curves=st.booleans())
def test_a_cube_file_reads_as_it_was_written_to_the_printed_digits(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, curves: bool
) -> None:
    size = data.draw(st.integers(2, 40 if curves else 5))
    numbers = st.floats(-2, 2, width=32)
    table = data.draw(arrays(np.float32, (size, 3) if curves else (size, size, size, 3), elements=numbers))
    low = data.draw(arrays(np.float32, 3, elements=st.floats(-1, 0, width=32)))
    high = data.draw(arrays(np.float32, 3, elements=st.floats(0.5, 2, width=32)))
    title = data.draw(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"'), max_size=40))
    file = tmp_path_factory.mktemp("cubes") / "any.cube"
    comments = data.draw(st.lists(st.text(max_size=300), max_size=3))
    write_cube(file, Lut(table, np.stack([low, high]), title), comments)
    back = read_cube(file)
    np.testing.assert_allclose(back.table, table, atol=6e-7)
    np.testing.assert_allclose(back.domain, np.stack([low, high]), atol=6e-7)
    assert back.title == title.strip('"')
    again = file.with_name("again.cube")
    write_cube(again, back, comments)
    assert again.read_bytes() == file.read_bytes()
    assert max(map(len, file.read_bytes().splitlines())) <= 250, "Cube LUT Specification 1.0"


@settings(max_examples=20, deadline=None)
@given(level=st.integers(2, 4), data=st.data())
def test_a_haldclut_reads_as_it_was_written_to_16_bits(
    tmp_path_factory: pytest.TempPathFactory, level: int, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 999))
    table = np.random.default_rng(seed).random((level**2, level**2, level**2, 3), np.float32)
    file = tmp_path_factory.mktemp("halds") / "any.png"
    write_hald(file, Lut(table, UNIT))
    assert open_photo(file).pixels.shape == (level**3, level**3, 3)
    np.testing.assert_allclose(read_hald(file).table, table, atol=0.51 / 65535)


def test_red_runs_fastest(tmp_path: Path) -> None:
    write_cube(tmp_path / "a.cube", identity(2))
    lines = (tmp_path / "a.cube").read_text().splitlines()
    assert [line[0] for line in lines[-8:]] == list("01010101")
    write_hald(tmp_path / "a.png", identity(4))
    first = open_photo(tmp_path / "a.png").pixels[0]
    assert first[:4].tolist() == [[0, 0, 0], [21845, 0, 0], [43690, 0, 0], [65535, 0, 0]]
    assert first[4].tolist() == [0, 21845, 0]


SAID = """\ufeff# a comment
TITLE   "From a desk"

LUT_3D_SIZE\t2
LUT_3D_INPUT_RANGE -0.5 1.5
# another
0 0 0
1.0 0 0 # here too
0 1e0 0

# and here
1 1 0
+0.0 0 1
1 0 1
 0 1 1
1 1 1
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_file_may_be_written_as_others_write_it(tmp_path: Path, ends: str) -> None:
    (tmp_path / "a.cube").write_bytes(SAID.replace("\n", ends).encode())
    lut = read_cube(tmp_path / "a.cube")
    assert (lut.title, lut.size, lut.domain.tolist()) == ("From a desk", 2, [[-0.5] * 3, [1.5] * 3])
    np.testing.assert_array_equal(lut.table, identity(2).table)


HEAD = "LUT_3D_SIZE 2\n"
ROWS = "0 0 0\n" * 8
WRONG = {
    "empty": "",
    "no table": HEAD,
    "no size": ROWS,
    "a size of words": "LUT_3D_SIZE two\n" + ROWS,
    "a size below nought": "LUT_3D_SIZE -2\n" + ROWS,
    "one sample": "LUT_3D_SIZE 1\n0 0 0\n",
    "a size too large": "LUT_3D_SIZE 256\n" + ROWS,
    "a size beyond all": "LUT_3D_SIZE 999999999\n" + ROWS,
    "a size that overflows": f"LUT_1D_SIZE {10**30}\n" + ROWS,
    "a size that is a claim": "LUT_3D_SIZE 144\n" + ROWS,
    "a row too few": HEAD + "0 0 0\n" * 7,
    "a row too many": HEAD + "0 0 0\n" * 9,
    "four numbers": HEAD + "0 0 0 0\n" * 8,
    "two numbers once": HEAD + "0 0 0\n" * 7 + "0 0\n",
    "a word": HEAD + "0 0 0\n" * 7 + "0 0 black\n",
    "NaN": HEAD + "0 0 0\n" * 7 + "0 nan 0\n",
    "infinity": HEAD + "0 0 0\n" * 7 + "0 inf 0\n",
    "beyond float32": HEAD + "0 0 0\n" * 7 + "0 1e99 0\n",
    "no colours": HEAD + "0 0 0\n" * 7 + "0 1e20 0\n",
    "commas": HEAD + "0,5 0,5 0,5\n" * 8,
    "two tables": "LUT_1D_SIZE 2\n" + HEAD + ROWS,
    "a size twice": HEAD + HEAD + ROWS,
    "a word after the table": HEAD + ROWS + 'TITLE "late"\n',
    "an unknown word": "LUT_IN_VIDEO_RANGE\n" + HEAD + ROWS,
    "a domain of words": "DOMAIN_MIN a b c\n" + HEAD + ROWS,
    "half a domain": "DOMAIN_MIN 0 0\n" + HEAD + ROWS,
    "a domain of NaN": "DOMAIN_MAX nan 1 1\n" + HEAD + ROWS,
    "a domain backwards": "DOMAIN_MIN 1 1 1\nDOMAIN_MAX 0 0 0\n" + HEAD + ROWS,
    "an endless line": "#" + "x" * 3_000_000 + "\n" + HEAD + ROWS,
    "endless comments": "# and so on\n" * 100_000 + HEAD + ROWS,
    "binary": "\x00\x01\x02" * 100,
    "a picture": LAKE.read_bytes()[:5000],
    "an escape": "\x1b[2J\x1b[31m" + HEAD + ROWS,
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_cube_file_is_refused_in_a_sentence(
    tmp_path: Path, presets: Path, capsys: Output, one_sentence: Sentence, case: str
) -> None:
    content = WRONG[case]
    (tmp_path / "a.cube").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(presets.iterdir())
    assert main(["presets", "import", str(tmp_path / "a.cube")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "a.cube" in one_sentence(err[:-1])
    assert sorted(presets.iterdir()) == before


def png_claiming(side: int) -> bytes:
    """A PNG whose header says that it is so large; there is nothing in it."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_what_is_no_haldclut_is_refused_in_a_sentence(
    tmp_path: Path, presets: Path, lake: np.ndarray, capsys: Output, one_sentence: Sentence
) -> None:
    Photo(lake).save(tmp_path / "a photograph.png")
    Photo(lake[:60, :60]).save(tmp_path / "a square.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "one pixel.png")
    write_hald(tmp_path / "hald.png", identity(4))
    Photo(open_photo(tmp_path / "hald.png").pixels).save(tmp_path / "jpeg.jpg")
    (tmp_path / "jpeg.jpg").rename(tmp_path / "a jpeg.png")
    (tmp_path / "claims.png").write_bytes(png_claiming(30_000))
    (tmp_path / "claims a little.png").write_bytes(png_claiming(1728))
    (tmp_path / "text.tif").write_text("no picture")
    (tmp_path / "hald.png").unlink()
    before = sorted(presets.iterdir())
    files = [file for file in sorted(tmp_path.iterdir()) if file.is_file()]
    assert len(files) == 7
    for file in files:
        assert main(["presets", "import", str(file), "--name", "new"]) == 1, file
        out, err = capsys.readouterr()
        assert out == "" and file.name in one_sentence(err[:-1])
    assert sorted(presets.iterdir()) == before


def test_a_table_in_a_preset_is_checked_as_weights_are(tmp_path: Path, one_sentence: Sentence) -> None:
    sound = identity(3).weights
    for case, wrong in {
        "missing": {"lut.table": sound["lut.table"]},
        "unknown": sound | {"lut.more": np.zeros(3, np.float32)},
        "not a cube": sound | {"lut.table": np.zeros((3, 3, 4, 3), np.float32)},
        "four colours": sound | {"lut.table": np.zeros((3, 3, 3, 4), np.float32)},
        "no numbers": sound | {"lut.table": np.zeros((0, 0, 0, 3), np.float32)},
        "whole numbers": sound | {"lut.table": np.zeros((3, 3, 3, 3), np.int32)},
        "nan": sound | {"lut.domain": np.full((2, 3), np.nan, np.float32)},
        "nothing": sound | {"lut.domain": np.zeros((2, 3), np.float32)},
        "huge": sound | {"lut.table": np.full((3, 3, 3, 3), 1e30, np.float32)},
    }.items():
        save_file(wrong, tmp_path / "a.safetensors")
        with pytest.raises(InvalidPresetError) as caught:
            load_preset(tmp_path / "a.safetensors")
        assert one_sentence(caught.value), case
        with pytest.raises(InvalidPresetError):
            build_network({name: torch.tensor(array) for name, array in wrong.items()})


# Engines.


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    "lut",
    [random_lut(2), random_lut(33), random_lut(5, domain=DOMAIN), random_lut(7, True), random_lut(9, True, DOMAIN)],
)
def test_the_compiled_engine_is_held_to_the_reference(dtype: Any, channels: int, lut: Lut) -> None:
    random = np.random.default_rng(1)
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    picture = (random.random((41, 30, channels)) * full).astype(dtype)
    picture[0, :2] = [[0] * channels, [full] * channels]
    picture[1] = picture[1, :, :1]  # greys, on the edge of all tetrahedra
    where = random.random((41, 30), np.float32)
    where[:5] = 1
    fast, slow = LutEngine(lut.weights), ReferenceEngine(build_network(lut.weights), torch.device("cpu"))
    for amount, mask in ((1, None), (0.5, where), (2, None), (0, where)):
        a, b = (engine(picture, amount, 1.0, mask).astype(np.float64) for engine in (fast, slow))
        assert np.abs(a - b).max() <= (1 if full > 1 else 2e-6)
        assert np.abs(a - b).mean() <= 1e-3 * (1 if full > 1 else 1e-3)
    assert (fast(picture, 2, 0.0) == fast(picture, 2, 1.7)).all(), "a table has no bands"
    mine = picture.copy()
    assert fast(mine, 1, 1, None, mine) is mine
    np.testing.assert_array_equal(mine, fast(picture, 1, 1))


@pytest.mark.parametrize("size", [2, 17, 33, 144])
def test_a_table_that_does_nothing_does_nothing(lake: np.ndarray, size: int) -> None:
    engine = LutEngine(identity(size).weights)
    for picture in (lake, lake.astype(np.uint16) * 257 + 3):
        np.testing.assert_array_equal(engine(picture, 1, 1), picture)


@settings(max_examples=50, deadline=None)
@given(colours=arrays(np.float32, (8, 3), elements=st.floats(0, 1, width=32)), seed=st.integers(0, 20))
def test_greys_are_made_of_greys_and_colours_of_what_is_about_them(colours: np.ndarray, seed: int) -> None:
    lut = random_lut(4, seed=seed)
    greys = np.repeat(colours[:, :1], 3, axis=1)
    diagonal = lut.table[range(4), range(4), range(4)]
    expected = np.stack([np.interp(greys[:, 0], np.linspace(0, 1, 4), diagonal[:, c]) for c in range(3)], axis=1)
    np.testing.assert_allclose(made_by(lut, greys), expected, atol=1e-5)
    np.testing.assert_allclose(looked_up(lut.table, colours), made_by(lut, colours), atol=1e-5)
    made = made_by(lut, colours)
    assert made.min() >= lut.table.min() - 1e-6 and made.max() <= lut.table.max() + 1e-6


@pytest.mark.slow
def test_a_teacher_hands_back_gradients() -> None:
    picture = torch.rand(1, 3, 5, 4, requires_grad=True)
    build_network(identity(5).weights)(picture).sum().backward()
    torch.testing.assert_close(picture.grad, torch.ones_like(picture))


def test_without_compiled_code_the_reference_does_the_work(lake: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = LutEngine(warm().weights)(lake, 0.7, 1)
    monkeypatch.setattr(lut_engine, "_compiled", lambda _: False)
    found = LutEngine(warm().weights)(lake, 0.7, 1)
    assert np.abs(found.astype(int) - expected).max() <= 1


# Others who read such files.


@pytest.mark.parametrize("curves", [False, True])
@pytest.mark.parametrize("domain", [UNIT, DOMAIN])
def test_opencolorio_makes_the_same_of_our_files(
    tmp_path: Path, ocio: ModuleType, curves: bool, domain: np.ndarray
) -> None:
    lut = random_lut(9, curves, domain)
    write_cube(tmp_path / "a.cube", lut, ["One line.", "Another."])
    colours = np.random.default_rng(2).random((5000, 3), np.float32)
    colours[:100] = colours[:100, :1]
    back = read_cube(tmp_path / "a.cube")
    np.testing.assert_allclose(made_by(back, colours), by_ocio(ocio, tmp_path / "a.cube", colours), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("curves", [False, True])
@pytest.mark.parametrize("domain", [UNIT, DOMAIN])
def test_colour_science_makes_the_same_of_our_files_and_we_of_its(
    tmp_path: Path, colour: ModuleType, curves: bool, domain: np.ndarray
) -> None:
    lut = random_lut(9, curves, domain)
    write_cube(tmp_path / "a.cube", lut, ["One line.", "Another."])
    theirs = colour.read_LUT(str(tmp_path / "a.cube"))
    assert (theirs.name, theirs.comments) == ("any", ["One line.", "Another."])
    np.testing.assert_allclose(theirs.domain, domain, atol=1e-6)
    colours = np.random.default_rng(2).uniform(0.1, 0.9, (3000, 3))
    how = {} if curves else {"interpolator": colour.algebra.table_interpolation_tetrahedral}
    np.testing.assert_allclose(made_by(lut, colours), theirs.apply(colours, **how), atol=2e-5)
    colour.write_LUT(theirs, str(tmp_path / "b.cube"))
    np.testing.assert_allclose(read_cube(tmp_path / "b.cube").table, lut.table, atol=1e-6)
    np.testing.assert_allclose(read_cube(tmp_path / "b.cube").domain, domain, atol=1e-6)


@pytest.mark.slow
def test_differences_are_those_of_colour_science(colour: ModuleType) -> None:
    one, other = np.random.default_rng(3).uniform((0, -90, -90), (100, 90, 90), (2, 2000, 3))
    other[:1000] = one[:1000] + np.random.default_rng(4).normal(0, 2, (1000, 3))
    np.testing.assert_allclose(delta_e(one, other), colour.delta_E(one, other, method="CIE 2000"), atol=1e-6)
    colours = np.random.default_rng(5).random((2000, 3))
    white = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"]
    np.testing.assert_allclose(lab(colours), colour.XYZ_to_Lab(colour.sRGB_to_XYZ(colours), white), atol=0.05)


# In: a table as a preset.


def test_a_table_becomes_a_preset_like_any_other(
    tmp_path: Path, presets: Path, lake: np.ndarray, capsys: Output
) -> None:
    write_cube(tmp_path / "warm.cube", warm())
    assert main(["presets", "import", str(tmp_path / "warm.cube")]) == 0
    (tmp_path / "warm.cube").unlink()  # the preset has it all
    preset = load_preset("warm")
    assert preset.architecture == "lut" and preset.path.parent == presets
    assert "33" not in preset.card and "17 samples a side" in preset.card and "sRGB" in preset.card
    assert not preset.weights["lut.table"].flags.writeable
    assert not needs_torch("lut", "cpu") and choose_engine(preset, "cpu").name == "cpu"
    assert choose_engine(preset, "reference").name == "reference"

    full, half = (retouch(lake, "warm", amount=amount, device="cpu") for amount in (1, 0.5))
    assert np.abs(half - (lake.astype(float) + full) / 2).max() <= 1.01
    np.testing.assert_array_equal(retouch(lake, "warm", amount=0, detail=0, device="cpu"), lake)
    np.testing.assert_array_equal(retouch(lake, "warm", amount=0, detail=1, device="cpu"), lake)
    mask = np.zeros(lake.shape[:2], np.float32)
    mask[:, :50] = 1
    masked = retouch(lake, "warm", mask=mask, device="cpu")
    np.testing.assert_array_equal(masked[:, :50], full[:, :50])
    np.testing.assert_array_equal(masked[:, 50:], lake[:, 50:])
    tensor = torch.tensor(lake.transpose(2, 0, 1)) / 255
    assert np.abs(retouch(tensor, "warm", device="cpu").numpy().transpose(1, 2, 0) * 255 - full).max() < 0.51

    file = export_preset("warm", tmp_path / "out.safetensors")
    assert load_preset(import_preset(file, "again")).sha256 == preset.sha256
    capsys.readouterr()
    Photo(lake).save(tmp_path / "a.png")
    words = ["-p", "warm", "-o"]
    assert main(["apply", str(tmp_path / "a.png"), *words, str(tmp_path / "b.png")]) == 0
    np.testing.assert_array_equal(open_photo(tmp_path / "b.png").pixels, full)
    assert main(["compare", str(tmp_path / "a.png"), *words, str(tmp_path / "sheet.png")]) == 0
    assert main(["redo", str(tmp_path / "b.png"), "-o", str(tmp_path / "c.png")]) == 0
    np.testing.assert_array_equal(open_photo(tmp_path / "c.png").pixels, full)
    assert main(["presets", "show", "warm"]) == 0
    assert "architecture   lut" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["png", "tif", "8-bit.png", "float.tif"])
def test_a_haldclut_becomes_a_preset(tmp_path: Path, presets: Path, lake: np.ndarray, ending: str) -> None:
    lut = warm(16)
    pixels = lut.table.reshape(64, 64, 3)
    file = tmp_path / f"warm.{ending}"
    Photo(pixels).save(file, bit_depth={"8-bit.png": 8, "float.tif": 32}.get(ending, 16))
    preset = load_preset(import_preset(file, "hald"))
    assert preset.path.parent == presets and preset.weights["lut.table"].shape == (16, 16, 16, 3)
    found = Retoucher(preset, "cpu")(lake).astype(int)
    expected = LutEngine(lut.weights)(lake, 1, 1)
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > (0.9 if ending != "8-bit.png" else 0.5)


def test_a_table_that_is_named_instead_of_a_preset_is_told_how_to_become_one(
    tmp_path: Path, capsys: Output, one_sentence: Sentence
) -> None:
    write_cube(tmp_path / "a.cube", identity(2))
    assert main(["apply", str(LAKE), "-p", str(tmp_path / "a.cube")]) == 2
    assert "presets import" in one_sentence(capsys.readouterr().err[:-1])


def test_a_picture_that_does_not_fit_is_refused_under_a_table_too(presets: Path, lake: np.ndarray) -> None:
    preset = load_preset(write_preset(presets / "warm.safetensors", warm().weights, {}))
    need = 8 * lake.shape[0] * lake.shape[1]
    with pytest.raises(TooLargeError):
        Retoucher(preset, "cpu", memory_limit=need - 1)(lake)
    assert Retoucher(preset, "cpu", memory_limit=need)(lake).shape == lake.shape


@pytest.mark.slow
def test_a_batch_is_done_with_a_table(tmp_path: Path, presets: Path, lake: np.ndarray) -> None:
    (tmp_path / "in").mkdir()
    Photo(lake).save(tmp_path / "in" / "a.png")
    write_preset(presets / "warm.safetensors", warm().weights, {})
    assert main(["batch", str(tmp_path / "in"), str(tmp_path / "out"), "-p", "warm", "--workers", "1", "--quiet"]) == 0
    expected = LutEngine(warm().weights)(lake, 1, 1)
    np.testing.assert_array_equal(open_photo(tmp_path / "out" / "a.png").pixels, expected)


# Out: a preset's look as a table.


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["cube", "png"])
def test_a_look_goes_out_and_comes_in_as_far_off_as_it_said(
    tmp_path: Path, presets: Path, lake: np.ndarray, capsys: Output, ending: str
) -> None:
    assert presets.is_dir()
    source, table = tmp_path / "lake.png", tmp_path / f"look.{ending}"
    Photo(lake.astype(np.uint16) * 257).save(source)
    assert main(["look", str(source), "-p", "autumn", "--amount", "0.8", "-o", str(table)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == str(table)
    words = said[1].split()
    mean, most = float(words[words.index("dE2000") + 1]), float(words[words.index("for") - 1])
    if ending == "cube":
        head = [line for line in table.read_text().splitlines() if line.startswith(("#", "TITLE", "LUT"))]
        assert "sRGB, display-referred" in head[1] and f"{mean:.2f}" in head[2]
        assert head[3:] == ['TITLE "autumn, sRGB display-referred"', "LUT_3D_SIZE 33"]
    else:
        assert open_photo(table).pixels.shape == (216, 216, 3)
    assert main(["presets", "import", str(table), "--name", "table"]) == 0
    capsys.readouterr()
    results = []
    for name, amount in (("autumn", "0.8"), ("table", "1")):
        assert main(["apply", str(source), "-p", name, "--amount", amount, "-o", str(tmp_path / f"{name}.png")]) == 0
        results.append(lab(open_photo(tmp_path / f"{name}.png").pixels / 65535))
    off = delta_e(*results)
    assert off.mean() == pytest.approx(mean, abs=0.006)
    assert np.percentile(off, 95) == pytest.approx(most, abs=0.03)
    untouched = delta_e(lab(lake / 255), results[0]).mean()
    assert off.mean() < 0.25 * untouched


@pytest.mark.slow
@pytest.mark.parametrize("name", ["retouch", "winter", "autumn", "golden-hour"])
def test_what_is_fitted_is_smooth_and_its_greys_rise(lake: np.ndarray, name: str) -> None:
    fit = fit_look(Photo(lake), Retoucher(name, "cpu"))
    looser = 1.6 if name == "golden-hour" else 1.0  # its sky goes by height too, which a table does not know
    assert fit.mean < 0.7 * looser and fit.most < 2.5 * looser
    grey = fit.lut.table[range(33), range(33), range(33)]
    assert np.diff(grey @ (0.2126, 0.7152, 0.0722)).min() > -0.002
    ramp = LutEngine(fit.lut.weights)(np.repeat(np.linspace(0, 1, 1024, dtype=np.float32), 3).reshape(1, -1, 3), 1, 1)
    assert np.abs(np.diff(ramp, 2, axis=1)).max() < 0.5 / 255, "there is no step in it"
    hues = np.float32([[colorsys.hsv_to_rgb(i / 2048, 0.5, 0.7) for i in range(2048)]])
    assert np.abs(np.diff(LutEngine(fit.lut.weights)(hues, 1, 1), 2, axis=1)).max() < 0.5 / 255


def test_what_a_photograph_does_not_show_is_graded_as_the_network_would(lake: np.ndarray) -> None:
    only = lake.copy()
    only[..., 0] = only[..., 0] // 4  # there is no red in it
    retoucher = Retoucher("retouch", "cpu")
    smooth = fit_look(Photo(only), retoucher, size=17).lut.table
    assert np.abs(smooth - identity(17).table).max() < 0.6
    assert smooth.min() >= 0 and smooth.max() <= 1 and np.abs(np.diff(smooth, 2, axis=2)).max() < 0.2


def test_a_fit_finds_a_table_again() -> None:
    lut = warm()
    before = np.random.default_rng(0).random((60_000, 3))
    found = fitted(before, looked_up(lut.table, before), identity(17).table.astype(np.float64))
    assert np.abs(found - lut.table).mean() < 0.003


def test_a_published_network_has_a_look_too(shared: Path, presets: Path, lake: np.ndarray) -> None:
    file = shared / "weights" / "net_g_FiveK_numhigh3.pth"
    if not file.is_file():
        pytest.skip(f"the published weights are not here: {file}")
    preset = load_preset(import_preset(file, "fivek"))
    fit = fit_look(Photo(lake), Retoucher(preset), size=17)
    assert presets.is_dir() and fit.mean < 0.5 * fit.untouched


def test_a_look_of_transparent_and_grey_pictures(lake: np.ndarray) -> None:
    clear = np.dstack([lake, np.full(lake.shape[:2], 255, np.uint8)])
    clear[:40] = 0
    assert fit_look(Photo(clear), Retoucher("retouch", "cpu"), size=9).mean < 2
    grey = np.repeat(lake[..., 1:2], 3, axis=2)
    fit = fit_look(Photo(grey), Retoucher("retouch", "cpu"), size=9)
    diagonal = fit.lut.table[range(9), range(9), range(9)]
    assert np.ptp(diagonal, axis=1).max() < 1e-4, "black and white stays so"


def test_a_look_replaces_nothing_and_knows_its_endings(tmp_path: Path, capsys: Output, one_sentence: Sentence) -> None:
    there = tmp_path / "there.cube"
    there.write_text("mine")
    for target, said in (
        ("there.cube", "there already"),
        ("new.3dl", ".cube"),
        ("nowhere/new.cube", "folder"),
        ("new", ".cube"),
    ):
        status = main(["look", str(LAKE), "-o", str(tmp_path / target)])
        assert status in (1, 2) and said in one_sentence(capsys.readouterr().err[:-1])
    assert there.read_text() == "mine" and list(tmp_path.iterdir()) == [there]


# A table as a teacher.


def test_a_table_teaches(tmp_path: Path, lake: np.ndarray) -> None:
    write_cube(tmp_path / "warm.cube", warm())
    (tmp_path / "pictures").mkdir()
    for i in range(10):
        Photo(np.ascontiguousarray(lake[9 * i : 9 * i + 60, 7 * i : 7 * i + 90])).save(
            tmp_path / "pictures" / f"{i}.png"
        )
    written = {
        "data": {"source": str(tmp_path / "pictures"), "pixels": 4000},
        "look": {"lut": str(tmp_path / "warm.cube")},
    }
    config = config_from_dict(written, "run.toml")
    assert config.recipe == "lut"
    course = prepare(config, tmp_path, lambda _: None)
    assert course.picks_best and course.files["table"] == [tmp_path / "warm.cube"]
    before, after = course.validation_set[0]
    expected = looked_up(warm().table, before[0].flatten(1).T.double().numpy())
    np.testing.assert_allclose(after[0].flatten(1).T, np.clip(expected, 0, 1), atol=1e-5)
    before, after = course.lessons.batch(2, config.data, config.jitter, 0)
    np.testing.assert_allclose(of_table(tmp_path / "warm.cube")(before), after, atol=1e-6)
    for look in ({"recipe": "lut"}, {"recipe": "pairs", "lut": "a.cube"}):
        with pytest.raises(TrainingError, match="lut"):
            prepare(config_from_dict(written | {"look": look}, "run.toml"), tmp_path, lambda _: None)
