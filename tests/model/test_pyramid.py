"""The pyramid's law: the bands add up to the picture, at every size, depth, filter pair and dtype."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry.transform import pyrdown, pyrup
from torch import Tensor

from lptn_retouch.model.pyramid import Filters, LaplacianPyramid, enlarge

PAIRS: tuple[Filters, ...] = ("kornia", "burt-adelson")
sizes = st.integers(1, 70)
both = pytest.mark.parametrize("filters", PAIRS)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def round_trip_error(pyramid: LaplacianPyramid, picture: Tensor) -> float:
    back = pyramid.reconstruct(pyramid.decompose(picture))
    assert back.shape == picture.shape
    assert back.dtype == picture.dtype
    return float((back - picture).abs().max())


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(h=sizes, w=sizes, depth=st.integers(0, 8), filters=st.sampled_from(PAIRS), seed=st.integers(0, 9))
def test_the_bands_add_up_to_the_picture(h: int, w: int, depth: int, filters: Filters, seed: int) -> None:
    assert round_trip_error(LaplacianPyramid(depth, filters), noise(1, 3, h, w, seed=seed)) <= 1e-6


@settings(max_examples=40, deadline=None)
@given(h=sizes, w=sizes, depth=st.integers(0, 8), filters=st.sampled_from(PAIRS))
def test_the_bands_add_up_to_the_picture_in_double_precision(h: int, w: int, depth: int, filters: Filters) -> None:
    assert round_trip_error(LaplacianPyramid(depth, filters), noise(1, 3, h, w, dtype=torch.float64)) <= 1e-14


@settings(max_examples=40, deadline=None)
@given(h=sizes, w=sizes, depth=st.integers(0, 8), filters=st.sampled_from(PAIRS))
def test_a_level_has_half_the_size_rounded_up(h: int, w: int, depth: int, filters: Filters) -> None:
    bands = LaplacianPyramid(depth, filters).decompose(noise(2, 1, h, w))
    expected = [(2, 1, math.ceil(h / 2**k), math.ceil(w / 2**k)) for k in range(depth + 1)]
    assert [tuple(band.shape) for band in bands] == expected


@both
def test_bands_that_were_changed_add_up_to_a_changed_picture(filters: Filters) -> None:
    """The inverse is linear: no band is dropped or counted twice."""
    pyramid = LaplacianPyramid(2, filters)
    picture = noise(1, 3, 21, 34)
    for level in range(3):
        bands = pyramid.decompose(picture)
        bands[level] = bands[level] + 0.25
        # Filters of weight one carry a constant up unchanged.
        torch.testing.assert_close(pyramid.reconstruct(bands), picture + 0.25, atol=1e-5, rtol=0)


@both
def test_a_flat_picture_has_no_high_bands(filters: Filters) -> None:
    *highs, low = LaplacianPyramid(5, filters).decompose(torch.full((1, 3, 77, 52), 0.7))
    assert all(float(high.abs().max()) < 1e-6 for high in highs)
    torch.testing.assert_close(low, torch.full_like(low, 0.7), atol=1e-6, rtol=0)


@both
@pytest.mark.parametrize("size", [(5, 3), (1, 7), (2, 1)])
def test_gradients_flow_through_split_and_sum(filters: Filters, size: tuple[int, int]) -> None:
    pyramid = LaplacianPyramid(2, filters)
    picture = noise(1, 1, *size, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(pyramid.decompose(x)), picture)
    assert torch.autograd.gradcheck(lambda x: pyramid.reconstruct([b * b for b in pyramid.decompose(x)]), picture)


@pytest.mark.parametrize("size", [(4, 4), (6, 10), (64, 48), (70, 70), (128, 40)])
def test_it_is_kornias_pair_on_even_sizes(size: tuple[int, int]) -> None:
    pyramid = LaplacianPyramid(1, "kornia")
    picture = noise(2, 3, *size)
    torch.testing.assert_close(pyramid.down(picture), pyrdown(picture), atol=1e-6, rtol=0)
    up = pyramid.up(picture, (2 * size[0], 2 * size[1]))
    torch.testing.assert_close(up, pyrup(picture), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "turn",
    [
        lambda x: x.flip(-1),
        lambda x: x.flip(-2),
        lambda x: x.rot90(1, (-2, -1)),
        lambda x: x.rot90(2, (-2, -1)),
        lambda x: x.rot90(3, (-2, -1)),
        lambda x: x.transpose(-2, -1),
    ],
    ids=["left-right", "up-down", "90", "180", "270", "transposed"],
)
def test_a_turned_picture_has_turned_bands(turn) -> None:
    pyramid = LaplacianPyramid(3, "kornia")
    picture = noise(1, 3, 40, 64)
    for turned_band, band in zip(pyramid.decompose(turn(picture)), pyramid.decompose(picture), strict=True):
        torch.testing.assert_close(turned_band, turn(band), atol=1e-6, rtol=0)


@both
@pytest.mark.parametrize("size", [(37, 53), (64, 48), (1, 1), (2, 9)])
def test_the_memory_layout_changes_nothing(filters: Filters, size: tuple[int, int]) -> None:
    pyramid = LaplacianPyramid(3, filters)
    picture = noise(2, 3, *size)
    last = picture.contiguous(memory_format=torch.channels_last)
    for a, b in zip(pyramid.decompose(last), pyramid.decompose(picture), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    assert round_trip_error(pyramid, last) <= 1e-6
    window = noise(2, 3, 2 * size[0], 2 * size[1])[..., ::2, ::2]
    assert round_trip_error(pyramid, window) <= 1e-6


@both
@pytest.mark.parametrize(
    "dtype, bound", [(torch.bfloat16, 0.05), (torch.float16, 0.006), (torch.float64, 1e-14)], ids=str
)
def test_every_float_dtype_works_and_is_kept(filters: Filters, dtype: torch.dtype, bound: float) -> None:
    pyramid = LaplacianPyramid(4, filters)
    for size in ((1, 1), (2, 3), (37, 53)):
        picture = noise(1, 3, *size, dtype=dtype)
        bands = pyramid.decompose(picture)
        assert {band.dtype for band in bands} == {dtype}
        assert round_trip_error(pyramid, picture) <= bound
        for a, b in zip(bands, pyramid.decompose(picture.float()), strict=True):
            torch.testing.assert_close(a.float(), b, atol=max(bound, 1e-6), rtol=0)


def test_pictures_of_a_batch_and_channels_do_not_mix() -> None:
    pyramid = LaplacianPyramid(2)
    batch = noise(2, 4, 19, 23)
    together = pyramid.decompose(batch)
    for i in range(2):
        for c in range(4):
            alone = pyramid.decompose(batch[i : i + 1, c : c + 1])
            for a, b in zip(together, alone, strict=True):
                torch.testing.assert_close(a[i : i + 1, c : c + 1], b, atol=1e-6, rtol=0)


def test_the_picture_is_not_written_to() -> None:
    picture = noise(1, 3, 20, 31)
    before = picture.clone()
    for filters in PAIRS:
        pyramid = LaplacianPyramid(3, filters)
        bands = pyramid.decompose(picture)
        kept = [band.clone() for band in bands]
        pyramid.reconstruct(bands)
        assert all(torch.equal(a, b) for a, b in zip(bands, kept, strict=True))
    assert torch.equal(picture, before)


def test_a_field_carried_up_sits_on_its_pixels() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    up = enlarge(ramp, (16, 15))
    assert up.shape == (1, 1, 16, 15)
    # sample i stands for pixels 2i and 2i + 1: their mean is the sample again, away from the border
    torch.testing.assert_close(up[..., 2:14].unflatten(-1, (6, 2)).mean(-1)[0, 0, 0], torch.arange(1.0, 7.0))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        LaplacianPyramid(-1)
    with pytest.raises(ValueError, match="burt-adelson"):
        LaplacianPyramid(1, "haar")  # type: ignore[arg-type]
