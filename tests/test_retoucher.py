"""Pictures of every kind in, the same kind out; the input untouched, and bit for bit where nothing is asked for."""

import copy
import io
import itertools
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lptn_retouch import Photo, Preset, Retoucher, load_preset, retouch
from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.engine.choose import choose_engine
from lptn_retouch.errors import InvalidPresetError, LptnRetouchError, PhotoError, PresetNotFoundError, UsageError
from lptn_retouch.metadata import Metadata
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.preset import write_preset

Sentence = Callable[[object], str]
H, W = 101, 123  # large enough for a high band


def pixels(dtype: type, channels: int = 3, h: int = H, w: int = W) -> np.ndarray:
    """A soft ramp with a little noise, so that it holds many levels and the network has something to look at."""
    rng = np.random.default_rng(channels)
    y, x, c = np.meshgrid(np.linspace(0, 1, h), np.linspace(0, 1, w), np.arange(channels), indexing="ij")
    array = (0.2 + 0.5 * x * (1 - y) + 0.08 * c + 0.05 * rng.random(x.shape)).clip(0, 1)
    return array.astype(np.float32) if dtype is np.float32 else np.round(array * np.iinfo(dtype).max).astype(dtype)


def in_floats(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) / (1 if array.dtype == np.float32 else np.iinfo(array.dtype).max)


def expected(network: GradedLPTN, rgb: np.ndarray) -> np.ndarray:
    """The network's clipped output, computed here, for floats (H, W, 3)."""
    with torch.no_grad():
        out = network(torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)[None])
    return out[0].clamp(0, 1).permute(1, 2, 0).numpy()


def kinds(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "a.png"
    Image.fromarray(pixels(np.uint8)).save(path)
    pictures: dict[str, Any] = {"path": path, "path as text": str(path)}
    for dtype, channels in itertools.product((np.uint8, np.uint16, np.float32), (3, 4)):
        pictures[f"array {np.dtype(dtype)} {channels}"] = pixels(dtype, channels)
        pictures[f"photo {np.dtype(dtype)} {channels}"] = Photo(pixels(dtype, channels), color_space="Display P3")
    for mode in ("L", "LA", "RGB", "RGBA", "P"):
        pictures[f"PIL {mode}"] = Image.fromarray(pixels(np.uint8, 4)).convert("RGB" if mode == "P" else mode)
    pictures["PIL P"] = pictures["PIL P"].quantize(64)
    planes = torch.from_numpy(pixels(np.float32)).permute(2, 0, 1)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        finer = planes.double() * (1 - 2**-40)  # numbers that only a float64 can hold
        pictures[f"tensor {dtype} single"] = finer.to(dtype)
        pictures[f"tensor {dtype} batch"] = torch.stack([finer, finer.flip(0), 1 - finer]).to(dtype)
    return pictures


KINDS = [
    "path", "path as text",
    *(f"{what} {dtype} {channels}" for what in ("array", "photo") for dtype in ("uint8", "uint16", "float32")
      for channels in (3, 4)),
    *(f"PIL {mode}" for mode in ("L", "LA", "RGB", "RGBA", "P")),
    *(f"tensor torch.{dtype} {n}" for dtype in ("float16", "bfloat16", "float32", "float64")
      for n in ("single", "batch")),
]  # fmt: skip


def numbers(image: Any) -> np.ndarray:
    """What a picture of any kind holds, for comparison."""
    if isinstance(image, str | Path):
        return np.asarray(Image.open(image))
    if isinstance(image, Photo):
        return image.pixels
    if isinstance(image, torch.Tensor):
        return image.double().numpy()
    return np.asarray(image)


def same_kind(result: Any, image: Any) -> None:
    if isinstance(image, str | Path):
        assert isinstance(result, Photo)
        assert result.source.path == Path(image)
    elif isinstance(image, Photo):
        assert isinstance(result, Photo)
        assert (result.color_space, result.metadata, result.source) == (
            image.color_space, image.metadata, image.source
        )  # fmt: skip
        assert result.pixels.dtype == image.pixels.dtype
    elif isinstance(image, Image.Image):
        assert isinstance(result, Image.Image)
        assert result.size == image.size
        assert result.mode == ("RGB" if image.mode == "P" else image.mode)
    else:
        assert type(result) is type(image)
        assert (result.dtype, result.shape) == (image.dtype, image.shape)


# Kinds.


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_kind_comes_out_and_the_input_is_untouched(retoucher: Retoucher, tmp_path: Path, kind: str) -> None:
    image = kinds(tmp_path)[kind]
    before = numbers(image).copy()
    result = retoucher(image)
    same_kind(result, image)
    assert np.array_equal(numbers(image), before)
    if kind != "PIL P":
        assert not np.array_equal(numbers(result), before), "the network does something"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_asked_for_is_the_input_bit_for_bit(retoucher: Retoucher, tmp_path: Path, kind: str) -> None:
    image = kinds(tmp_path)[kind]
    for mask in (None, np.ones((H, W), np.float32)):
        result = retoucher(image, amount=0, detail=0, mask=mask)
        assert numbers(result).dtype == numbers(image).dtype
        assert np.array_equal(numbers(result), numbers(image))
        if isinstance(image, Image.Image):
            assert result.mode == image.mode
        if not isinstance(image, str | Path | Photo):
            assert result is not image


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "PIL P"])
def test_a_mask_of_zeros_is_the_input_bit_for_bit(retoucher: Retoucher, tmp_path: Path, kind: str) -> None:
    image = kinds(tmp_path)[kind]
    assert np.array_equal(numbers(retoucher(image, mask=np.zeros((H, W)))), numbers(image))


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "PIL P"])
def test_what_a_network_has_no_business_with_is_the_input_bit_for_bit(
    tiny: GradedLPTN, giving: Callable[[GradedLPTN, float], GradedLPTN], tmp_path: Path, kind: str, device: str
) -> None:
    path = write_preset(tmp_path / "nothing.safetensors", giving(tiny, 0).state_dict(), {})
    image = kinds(tmp_path)[kind]
    for asked in ({}, {"amount": 0.7, "detail": 2}, {"mask": np.full((H, W), 0.3)}):
        assert np.array_equal(numbers(Retoucher(load_preset(path), device)(image, **asked)), numbers(image))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_of_ones_is_the_result(retoucher: Retoucher, tmp_path: Path, kind: str) -> None:
    image = kinds(tmp_path)[kind]
    masked, result = (numbers(retoucher(image, mask=mask)) for mask in (np.ones((H, W)), None))
    if result.dtype.kind == "f":
        np.testing.assert_allclose(masked, result, atol=1e-6 if "float16" not in kind else 1e-2, rtol=0)
    else:
        assert np.array_equal(masked, result)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_array_gets_what_the_network_says(
    retoucher: Retoucher, tiny: GradedLPTN, dtype: type, channels: int
) -> None:
    array = pixels(dtype, channels)
    result = retoucher(array)
    wanted = expected(tiny, in_floats(array[..., :3]))
    step = 0 if dtype is np.float32 else 0.5 / np.iinfo(dtype).max  # rounded, not cut
    np.testing.assert_allclose(in_floats(result[..., :3]), wanted, atol=step + 2e-6, rtol=0)
    assert np.array_equal(result[..., 3:], array[..., 3:]), "alpha passes through"
    assert result.flags.c_contiguous
    result[...] = 0  # it is the caller's own


def test_a_16_bit_picture_is_not_quantised_to_8_bits(retoucher: Retoucher) -> None:
    ramp = np.linspace(10_000, 50_000, 200 * 30).astype(np.uint16).reshape(30, 200, 1).repeat(3, 2)
    for image in (ramp, Photo(ramp)):
        result = numbers(retoucher(image))
        assert len(np.unique(result[..., 1])) > 2000
        assert len(np.unique(result % 257)) > 200, "the low bytes are not the high ones repeated"


def test_a_path_gives_the_photo_of_the_file(retoucher: Retoucher, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(pixels(np.uint8)).save(path)
    result = retoucher(path)
    assert np.array_equal(result.pixels, retoucher(pixels(np.uint8)))
    assert result.save(tmp_path / "b.png").path.is_file()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_pil_image_gets_what_its_pixels_get(retoucher: Retoucher, tmp_path: Path, mode: str) -> None:
    image = kinds(tmp_path)[f"PIL {mode}"]
    image.info["dpi"] = (300, 300)
    result = retoucher(image)
    clear = mode in ("LA", "RGBA")
    array = retoucher(np.asarray(image.convert("RGBA" if clear else "RGB")))
    wanted = Image.fromarray(array)
    assert np.array_equal(np.asarray(result), np.asarray(wanted.convert(mode) if mode in ("L", "LA") else wanted))
    if clear:
        assert np.array_equal(np.asarray(result.getchannel("A")), np.asarray(image.getchannel("A")))
    assert result.info["dpi"] == (300, 300)


@pytest.mark.parametrize("mode", ["P", "RGB"])
def test_a_transparent_colour_becomes_alpha(retoucher: Retoucher, mode: str) -> None:
    image = Image.new("RGB", (20, 20), (200, 30, 30))
    image.paste((10, 120, 10), (0, 0, 10, 20))
    if mode == "P":
        image = image.quantize(2)
        image.info["transparency"] = image.getpixel((0, 0))
    else:
        image.info["transparency"] = (10, 120, 10)
    result = retoucher(image)
    assert result.mode == "RGBA"
    assert "transparency" not in result.info
    assert np.array_equal(np.asarray(result)[..., 3] == 0, np.arange(20)[None].repeat(20, 0) < 10)


@pytest.mark.slow
def test_a_batch_is_as_good_as_single_pictures(retoucher: Retoucher) -> None:
    planes = torch.from_numpy(pixels(np.float32)).permute(2, 0, 1)
    batch = torch.stack([planes, 1 - planes, planes.flip(1)])
    for strength in ({}, {"amount": 0.5, "detail": 2}, {"mask": np.full((H, W), 0.5)}):
        singles = torch.stack([retoucher(picture, **strength) for picture in batch])
        torch.testing.assert_close(retoucher(batch, **strength), singles, atol=1e-5, rtol=0)


def test_a_tensor_gets_what_the_network_says(retoucher: Retoucher, tiny: GradedLPTN) -> None:
    array = pixels(np.float32)
    result = retoucher(torch.from_numpy(array).permute(2, 0, 1))
    np.testing.assert_allclose(result.permute(1, 2, 0).numpy(), expected(tiny, array), atol=1e-6, rtol=0)


def test_a_result_is_a_tensor_like_any_other(retoucher: Retoucher) -> None:
    """Not one of inference mode, which could be neither written to nor used in a loss."""
    picture = torch.rand(3, 20, 30)
    for strength in ({}, {"amount": 0.5}, {"mask": np.full((20, 30), 0.5)}, {"amount": 0, "detail": 0}):
        result = retoucher(picture, **strength)
        assert not result.is_inference()
        weight = torch.ones(1, requires_grad=True)
        (result * weight).sum().backward()
        result.mul_(2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3), (3, 200)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pictures_of_any_size_are_taken(retoucher: Retoucher, shape: tuple[int, int], dtype: type) -> None:
    """Also a Photo's read-only pixels, which at 1x1 are already laid out as planes."""
    array = pixels(dtype, 3, *shape)
    assert retoucher(array).shape == (*shape, 3)
    assert np.array_equal(retoucher(Photo(array)).pixels, retoucher(array))


def test_the_memory_layout_does_not_matter(retoucher: Retoucher) -> None:
    array = pixels(np.uint8)
    wanted = retoucher(array)
    planar = np.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0)
    planar.setflags(write=False)
    padded = np.zeros((H, W + 9, 4), np.uint8)
    padded[:, :W, :3] = array
    for other in (planar, np.asfortranarray(array), padded[:, :W, :3], array[::-1, ::-1].copy()[::-1, ::-1]):
        assert np.array_equal(retoucher(other), wanted)


# Strength and mask.


def test_amount_and_detail_scale_apart(retoucher: Retoucher) -> None:
    array = pixels(np.float32)
    full, half, none = (retoucher(array, amount=a) for a in (1, 0.5, 0))
    assert np.abs(full - array).mean() > np.abs(half - array).mean() > np.abs(none - array).mean()
    assert not np.array_equal(retoucher(array, detail=2), retoucher(array, detail=0))
    np.testing.assert_allclose(retoucher(array, amount=1.0, detail=1.0), full)


def test_half_a_mask_is_half_a_retouch(retoucher: Retoucher) -> None:
    array = pixels(np.float32)
    result = retoucher(array)
    weights = np.linspace(0, 1, W, dtype=np.float32)[None].repeat(H, 0)
    wanted = array + weights[..., None] * (result - array)
    np.testing.assert_allclose(retoucher(array, mask=weights), wanted, atol=1e-6, rtol=0)
    left = np.zeros((H, W), bool)
    left[:, : W // 2] = True
    halved = retoucher(pixels(np.uint8), mask=left)
    assert np.array_equal(halved[~left], pixels(np.uint8)[~left])
    assert np.array_equal(halved[left], retoucher(pixels(np.uint8))[left])


@pytest.mark.parametrize(
    "form",
    [
        lambda m: m.astype(np.float64),
        lambda m: m.astype(">f4"),
        lambda m: m.tolist(),
        lambda m: torch.from_numpy(m),
        lambda m: torch.from_numpy(m).double(),
        lambda m: torch.from_numpy(m).clone().requires_grad_(),
        lambda m: m[:, ::-1].copy()[:, ::-1],
        lambda m: np.asfortranarray(m),
        lambda m: Image.fromarray(m),
    ],
    ids=["float64", "big-endian", "list", "tensor", "double", "gradient", "flipped", "fortran", "PIL F"],
)
def test_a_mask_may_have_any_form(retoucher: Retoucher, form: Callable[[np.ndarray], Any]) -> None:
    weights = np.linspace(0, 1, H * W, dtype=np.float32).reshape(H, W)
    given = form(weights)
    array = pixels(np.float32)
    planes = torch.from_numpy(array).permute(2, 0, 1)
    np.testing.assert_allclose(retoucher(array, mask=given), retoucher(array, mask=weights), atol=1e-6, rtol=0)
    result = retoucher(planes, mask=given)
    assert not result.requires_grad
    torch.testing.assert_close(result, retoucher(planes, mask=weights), atol=1e-6, rtol=0)


def test_a_read_only_mask_is_taken(retoucher: Retoucher) -> None:
    weights = np.full((H, W), 0.5, np.float32)
    weights.setflags(write=False)
    retoucher(pixels(np.uint8), mask=weights)


# Wrong arguments: each is told in a sentence.


@pytest.mark.parametrize("name", ["amount", "detail"])
@pytest.mark.parametrize(
    "value", [-0.1, 2.1, float("nan"), float("inf"), "1", None, [1], 1j, np.ones(2), torch.ones(2)], ids=repr
)
def test_a_wrong_strength_is_refused(retoucher: Retoucher, one_sentence: Sentence, name: str, value: Any) -> None:
    for call in (retoucher, lambda image, **kw: retouch(image, retoucher.preset, **kw)):
        with pytest.raises(UsageError) as caught:
            call(pixels(np.uint8), **{name: value})
        assert name in one_sentence(caught.value)


@pytest.mark.parametrize(
    "value", [0, 2, 1, True, np.float32(0.5), np.int64(2), np.float64(0), Fraction(1, 2)], ids=repr
)
def test_any_real_number_is_a_strength(retoucher: Retoucher, value: Any) -> None:
    for image in (pixels(np.uint8), pixels(np.uint8, h=200, w=220), torch.rand(3, 20, 30), Photo(pixels(np.uint16))):
        result = numbers(retoucher(image, amount=value, detail=value))
        assert np.array_equal(result, numbers(retoucher(image, amount=float(value), detail=float(value))))


MASKS = {
    "shape": np.ones((H, W + 1)),
    "transposed": np.ones((W, H)),
    "channels": np.ones((H, W, 1)),
    "scalar": 0.5,
    "empty": [],
    "above": np.full((H, W), 1.001),
    "below": np.full((H, W), -0.001),
    "8 bits": np.full((H, W), 255, np.uint8),
    "nan": np.full((H, W), np.nan),
    "text": [["left"]],
    "objects": np.full((H, W), None),
    "ragged": [[1.0], [1.0, 0.0]],
    "complex": np.ones((H, W), complex),
    "complex tensor": torch.ones(H, W, dtype=torch.complex64),
    "sparse tensor": torch.eye(H, W).to_sparse(),
    "meta tensor": torch.ones(H, W, device="meta"),
}


@pytest.mark.parametrize("which", MASKS)
@pytest.mark.parametrize("kind", ["array uint8 3", "PIL RGB", "tensor torch.float32 batch", "photo uint8 3"])
def test_a_wrong_mask_is_refused(
    retoucher: Retoucher, tmp_path: Path, one_sentence: Sentence, kind: str, which: str
) -> None:
    image = kinds(tmp_path)[kind]
    for strength in ({}, {"amount": 0, "detail": 0}):
        with pytest.raises(UsageError) as caught:
            retoucher(image, mask=MASKS[which], **strength)
        assert "mask" in one_sentence(caught.value)


def test_a_mask_of_half_floats_is_taken(retoucher: Retoucher) -> None:
    half = torch.full((H, W), 0.5)
    for dtype in (torch.float16, torch.bfloat16):
        array = pixels(np.float32)
        assert np.array_equal(retoucher(array, mask=half.to(dtype)), retoucher(array, mask=half))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_mask_with_nan_is_not_told_to_be_8_bits(retoucher: Retoucher, one_sentence: Sentence, value: float) -> None:
    mask = np.ones((H, W))
    mask[3, 4] = value
    with pytest.raises(UsageError, match="NaN or infinity") as caught:
        retoucher(pixels(np.uint8), mask=mask)
    assert "255" not in one_sentence(caught.value)


ELSEWHERE = {
    "0 to 255": (lambda x: 255 * x, "divide 8-bit values by 255"),
    "0 to 255, dark": (lambda x: np.round(12 * x**4) * (x > 0.6), "divide"),
    "0 to 255, sharpened": (lambda x: 300 * x - 20, "divide 8-bit values by 255"),
    "0 to 65535": (lambda x: 65535 * x, "divide 16-bit values by 65535"),
    "12 bits": (lambda x: 4095 * x, "the greatest that they can have"),
    "-1 to 1": (lambda x: 2 * x - 1, "(x + 1) / 2"),
    "-1 to 1, dull": (lambda x: 0.6 * x - 0.4, "(x + 1) / 2"),
    "normalised": (lambda x: (x - 0.45) / 0.225, "normalised"),
    "light in a scene": (lambda x: 6 * x, "clip what is brighter than white"),
    "-128 to 127": (lambda x: 255 * x - 128, "divide"),
    "electrons": (lambda x: 1e9 * x, "divide"),
}


@pytest.mark.parametrize("meant", ELSEWHERE)
@pytest.mark.parametrize("size", [(H, W), (200, 220)])
def test_floats_of_another_range_are_refused_with_what_they_look_like(
    retoucher: Retoucher, one_sentence: Sentence, meant: str, size: tuple[int, int]
) -> None:
    made, advice = ELSEWHERE[meant]
    x = np.linspace(0, 1, 3 * size[0] * size[1], dtype=np.float32).reshape(3, *size)
    planes = made(x).astype(np.float32)
    array = np.ascontiguousarray(planes.transpose(1, 2, 0))
    wide = Photo(array, metadata=Metadata.build(icc=adobe_rgb_profile()))
    for image in (array, Photo(array), wide, torch.from_numpy(planes), torch.from_numpy(planes)[None].double()):
        with pytest.raises(UsageError) as caught:
            retoucher(image)
        assert advice in one_sentence(caught.value)


@pytest.mark.parametrize("how", ["resampled", "sharpened", "brightened", "rounded", "one spot"])
def test_floats_that_overshoot_a_little_are_clipped_as_before(retoucher: Retoucher, how: str) -> None:
    array = np.kron(np.random.default_rng(3).integers(0, 2, (26, 31, 3)).astype(np.float32), np.ones((8, 8, 1), "f4"))
    if how == "resampled":
        planes = torch.from_numpy(array).permute(2, 0, 1)[None]
        planes = torch.nn.functional.interpolate(planes, scale_factor=0.9, mode="bicubic", antialias=True)
        array = planes[0].permute(1, 2, 0).contiguous().numpy()
    elif how == "sharpened":
        array = 0.8 * array + 0.1
        array += 0.8 * (array - 0.5 * (np.roll(array, 1, 0) + np.roll(array, -1, 0)))
    elif how == "brightened":
        array *= 1.37
    elif how == "rounded":
        array *= np.float32(1 + 1e-6)
    else:
        array[3, 4] = 2.4
    assert array.min() < 0 or array.max() > 1
    for image in (array, Photo(array), torch.from_numpy(array).permute(2, 0, 1)):
        result = numbers(retoucher(image))
        assert result.min() >= 0 and result.max() <= 1 and result.std() > 0.05
    wide = retoucher(Photo(array, metadata=Metadata.build(icc=adobe_rgb_profile()))).pixels
    assert np.isfinite(wide).all() and wide.std() > 0.05


@pytest.mark.parametrize("limit", ["1", 0, -1, float("nan"), [1], 1j], ids=repr)
def test_a_limit_that_is_no_number_of_bytes_is_refused(tiny_preset: Preset, one_sentence: Sentence, limit: Any) -> None:
    with pytest.raises(UsageError, match="memory_limit") as caught:
        Retoucher(tiny_preset, "cpu", memory_limit=limit)
    one_sentence(caught.value)


@pytest.mark.parametrize("size", [(20, 30), (200, 220)])
def test_a_tensor_with_a_gradient_is_taken_as_its_values(retoucher: Retoucher, size: tuple[int, int]) -> None:
    plain = torch.rand(3, *size)
    for strength in ({}, {"amount": 0.5}, {"mask": np.full(size, 0.5)}, {"amount": 0, "detail": 0}):
        for image in (plain.clone().requires_grad_(), torch.nn.Parameter(plain.clone())):
            result = retoucher(image, **strength)
            assert not result.requires_grad and type(result) is torch.Tensor
            assert torch.equal(result, retoucher(plain, **strength))


def test_a_pil_image_that_cannot_be_read_is_refused(
    retoucher: Retoucher, tmp_path: Path, one_sentence: Sentence
) -> None:
    file = io.BytesIO()
    Image.fromarray(pixels(np.uint8)).save(file, "PNG")
    truncated = Image.open(io.BytesIO(file.getvalue()[:-900]))
    (tmp_path / "a.png").write_bytes(file.getvalue())
    closed = Image.open(tmp_path / "a.png")
    closed.close()
    for image in (truncated, closed):
        for strength in ({}, {"amount": 0, "detail": 0}):
            with pytest.raises(PhotoError, match="PIL") as caught:
                retoucher(image, **strength)
            one_sentence(caught.value)
        with pytest.raises(UsageError, match="mask"):
            retoucher(pixels(np.uint8), mask=image)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
def test_a_deep_pil_image_is_not_sent_through_8_bits(retoucher: Retoucher, one_sentence: Sentence, mode: str) -> None:
    """Pillow's convert("RGB") cuts it off at 255: white."""
    with pytest.raises(UsageError, match="path") as caught:
        retoucher(Image.new(mode, (20, 20), 40_000))
    assert "convert it to RGB" not in one_sentence(caught.value)


@pytest.mark.parametrize(
    "image",
    [
        None,
        5,
        b"bytes",
        [[1, 2, 3]],
        object(),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((3, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float64),
        np.zeros((4, 4, 3), np.int32),
        np.zeros((4, 4, 3), bool),
        np.full((4, 4, 3), np.nan, np.float32),
        np.full((4, 4, 4), np.inf, np.float32),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
        torch.zeros(4, 4),
        torch.zeros(4, 4, 3),
        torch.zeros(0, 3, 4, 4),
        torch.zeros(3, 0, 4),
        torch.full((3, 4, 4), torch.nan),
        torch.zeros(3, 4, 4, device="meta"),
        torch.zeros(3, 4, 4).to_sparse(),
        torch.zeros(3, 4, 4).to(torch.float8_e4m3fn),
        Image.new("CMYK", (4, 4)),
        Image.new("F", (4, 4)),
        Image.new("I;16", (4, 4)),
        Image.new("RGB", (0, 4)),
    ],
    ids=lambda image: (
        f"{type(image).__name__} {getattr(image, 'shape', '')} {getattr(image, 'dtype', getattr(image, 'mode', ''))}"
    ),
)
def test_what_is_no_picture_is_refused(retoucher: Retoucher, one_sentence: Sentence, image: Any) -> None:
    with pytest.raises(UsageError) as caught:
        retoucher(image)
    one_sentence(caught.value)


def test_a_file_that_is_no_picture_is_refused(retoucher: Retoucher, one_sentence: Sentence, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    for path in (tmp_path / "notes.jpg", tmp_path / "missing.jpg"):
        with pytest.raises(PhotoError) as caught:
            retoucher(path)
        assert path.name in one_sentence(caught.value)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "cpu:x", "\x1b[31m", None, 5.0, "meta"])
def test_a_device_that_is_not_there_is_refused(tiny_preset: Preset, one_sentence: Sentence, device: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Retoucher(tiny_preset, device)
    one_sentence(caught.value)


@pytest.mark.parametrize("preset", [None, 5, [["tiny"]]])
def test_a_preset_of_no_kind_is_refused(presets: Path, one_sentence: Sentence, preset: Any) -> None:
    assert presets.is_dir()
    for call in (Retoucher, lambda p: retouch(pixels(np.uint8), p)):
        with pytest.raises(LptnRetouchError) as caught:
            call(preset)
        one_sentence(caught.value)


# The preset and the retoucher.


def test_retouch_takes_a_name_a_path_and_a_loaded_preset(presets: Path) -> None:
    array = pixels(np.uint8)
    wanted = Retoucher("tiny", "cpu")(array)
    for preset in ("tiny", presets / "tiny.safetensors", str(presets / "tiny.safetensors"), load_preset("tiny")):
        assert np.array_equal(retouch(array, preset, device="cpu"), wanted)
        assert np.array_equal(Retoucher(preset, "cpu")(array), wanted)
    with pytest.raises(PresetNotFoundError):
        retouch(array, "nosuch")


def test_a_preset_that_was_replaced_is_loaded_again(presets: Path, fill: Callable[..., GradedLPTN]) -> None:
    array = pixels(np.uint8)
    first = retouch(array, "tiny", device="cpu")
    path = presets / "tiny.safetensors"
    stat = path.stat()
    write_preset(path, fill(GradedLPTN(width=8, blocks=1, mask_width=4), 7).state_dict(), {"summary": "Other."})
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    assert not np.array_equal(retouch(array, "tiny", device="cpu"), first)


def test_weights_are_read_once_for_many_calls(presets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = presets / "tiny.safetensors"
    read: list[object] = []
    monkeypatch.setattr("lptn_retouch.retoucher.load_preset", lambda name: read.append(name) or load_preset(name))
    for _ in range(3):
        retouch(pixels(np.uint8), path, device="cpu")
    assert len(read) == 1


def test_a_loaded_preset_is_not_written_to(presets: Path) -> None:
    preset = load_preset("tiny")
    before = copy.deepcopy(preset.network.state_dict())
    Retoucher(preset, "cpu")(pixels(np.uint8), amount=0.5, detail=2)
    if torch.accelerator.is_available():
        Retoucher(preset, "auto")(pixels(np.uint8))
    after = preset.network.state_dict()
    assert {tensor.device.type for tensor in after.values()} == {"cpu"}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert presets.is_dir()


def test_threads_share_a_retoucher(retoucher: Retoucher) -> None:
    pictures = [pixels(np.float32, 3, 40 + 30 * i, 230 - 31 * i) for i in range(6)]
    alone = [retoucher(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for a, b in zip(pool.map(retoucher, pictures * 3), alone * 3, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6, rtol=0)


def test_threads_share_retouch(presets: Path, fill: Callable[..., GradedLPTN]) -> None:
    """Also where they use two presets in turn, of which one at a time is kept."""
    write_preset(presets / "other.safetensors", fill(GradedLPTN(width=8, blocks=1, mask_width=4), 3).state_dict(), {})
    array = pixels(np.uint8)
    wanted = {name: Retoucher(name, "cpu")(array) for name in ("tiny", "other")}
    names = ["tiny", "other"] * 8
    with ThreadPoolExecutor(4) as pool:
        for name, result in zip(names, pool.map(lambda n: retouch(array, n, device="cpu"), names), strict=True):
            assert np.array_equal(result, wanted[name])


# Weights that are finite, and overflow.


def overflowing(preset: Preset, which: str) -> Preset:
    """A preset with weights as large as float32 holds, in some or all places."""
    weights = {
        name: np.sign(array) * np.float32(1e38) if name.startswith(which) else array
        for name, array in preset.weights.items()
    }
    return replace(preset, weights=weights, name="hostile")


@pytest.mark.slow
@pytest.mark.parametrize("which", ["", "grade", "grade.choose.3.bias", "high.gain"])
@pytest.mark.parametrize("size", [(96, 120), (200, 220)])
@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_weights_that_overflow_are_blamed_and_nothing_is_written(
    tiny_preset: Preset, one_sentence: Sentence, which: str, size: tuple[int, int], device: str
) -> None:
    hostile = Retoucher(overflowing(tiny_preset, which), device)
    for dtype in (np.uint8, np.uint16, np.float32):
        array = pixels(dtype, h=size[0], w=size[1])
        planes = torch.from_numpy(pixels(np.float32, h=size[0], w=size[1])).permute(2, 0, 1)
        for image in (array, planes):
            for strength in ({}, {"amount": 0.5, "detail": 2}, {"mask": np.zeros(size)}):
                with warnings.catch_warnings(), pytest.raises(InvalidPresetError, match="hostile") as caught:
                    warnings.simplefilter("error")
                    hostile(image, **strength)
                one_sentence(caught.value)


def test_a_picture_that_is_ours_to_write_to_stays_whole_where_weights_overflow(tiny_preset: Preset) -> None:
    picture = pixels(np.uint8, h=200, w=220)
    before = picture.copy()
    for device in ("cpu", "reference"):
        with pytest.raises(InvalidPresetError):
            choose_engine(overflowing(tiny_preset, "grade"), device)(picture, 1, 1, None, picture)
        assert np.array_equal(picture, before)


# map


def small(i: int) -> np.ndarray:
    return np.full((4, 5 + i, 3), 20 * i, np.uint8)


def test_map_keeps_order_and_strength(retoucher: Retoucher, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(small(2)).save(path)
    images = [small(0), small(1), path, Photo(small(3)), Image.fromarray(small(4))]
    results = list(retoucher.map(images, amount=0.5, detail=2))
    for i, (result, image) in enumerate(zip(results, images, strict=True)):
        same_kind(result, image)
        assert np.array_equal(numbers(result), retoucher(small(i), amount=0.5, detail=2))
    assert list(retoucher.map([])) == []
    assert len(list(retoucher.map(iter([small(0)])))) == 1


def test_map_reads_at_most_two_ahead(retoucher: Retoucher) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        for i in itertools.count():
            taken += 1
            yield small(i % 5)

    results = retoucher.map(endless())
    assert taken == 0, "nothing is read before it is wanted"
    for turn in range(1, 8):
        assert np.array_equal(next(results), retoucher(small((turn - 1) % 5)))
        assert turn <= taken <= turn + 2
    results.close()


def test_map_raises_an_error_at_its_turn(retoucher: Retoucher, tmp_path: Path) -> None:
    results = retoucher.map([small(0), small(1), tmp_path / "missing.jpg", small(3)])
    assert np.array_equal(next(results), retoucher(small(0)))
    assert np.array_equal(next(results), retoucher(small(1)))
    with pytest.raises(PhotoError, match="missing"):
        next(results)
    results = retoucher.map([small(0), "not a file", small(1)])
    next(results)
    with pytest.raises(PhotoError):
        next(results)


def test_map_loses_no_result_to_an_error_of_the_iterable(retoucher: Retoucher) -> None:
    def failing() -> Iterator[np.ndarray]:
        yield small(0)
        yield small(1)
        raise KeyError("the list ends here")

    results = retoucher.map(failing())
    assert np.array_equal(next(results), retoucher(small(0)))
    assert np.array_equal(next(results), retoucher(small(1)))
    with pytest.raises(KeyError):
        next(results)


def test_map_refuses_a_wrong_strength(retoucher: Retoucher) -> None:
    """At once, not when the first result is asked for."""
    for wrong in ({"amount": 3}, {"amount": "1"}, {"detail": None}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            retoucher.map([small(0)], **wrong)


@pytest.mark.parametrize("images", ["a.jpg", Path("a.jpg"), None, Photo(small(0))], ids=lambda i: type(i).__name__)
def test_map_refuses_a_single_picture_at_once(retoucher: Retoucher, one_sentence: Sentence, images: Any) -> None:
    with pytest.raises(UsageError) as caught:
        retoucher.map(images)
    one_sentence(caught.value)


def test_a_picture_larger_than_the_memory_is_refused_before_any_work(
    retoucher: Retoucher, one_sentence: Sentence
) -> None:
    picture = np.broadcast_to(np.uint8(0), (1_000_000, 100_000, 3))  # takes no memory itself
    with pytest.raises(UsageError, match="megapixels") as caught:
        retoucher(picture)
    one_sentence(caught.value)
