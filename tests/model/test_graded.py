"""Our network: the same look at every size, nothing where there is nothing, and any size at all."""

import copy
import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lptn_retouch.errors import InvalidPresetError
from lptn_retouch.model.form import depth_for
from lptn_retouch.model.graded import GradedLPTN, apply_affine, apply_polynomial, cubic_terms, graded_by
from lptn_retouch.model.pyramid import LaplacianPyramid
from lptn_retouch.model.translation import greyed, luma

Fill = Callable[..., GradedLPTN]
Giving = Callable[[GradedLPTN, float], GradedLPTN]
Size = tuple[int, int]
Sentence = Callable[[object], str]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def faded_to(light: Tensor, picture: Tensor, colour: float) -> Tensor:
    return light + colour * (picture - light)


def faded(picture: Tensor, colour: float) -> Tensor:
    """A picture with so much of its colours; of 0, one that has none."""
    return faded_to(picture.mean(1, keepdim=True), picture, colour)


def scene(h: int, w: int) -> Tensor:
    """A smooth synthetic picture, the same at every size."""
    y, x = torch.meshgrid((torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w, indexing="ij")
    red = 0.5 + 0.4 * torch.sin(5 * x + 2 * y)
    green = 0.5 + 0.3 * torch.cos(7 * y - x)
    blue = 0.5 + 0.35 * torch.sin(12 * x * y)
    return torch.stack([red, green, blue])[None]


# How deep.


@pytest.mark.parametrize(
    "size, depth",
    [((1, 1), 0), ((95, 95), 0), ((96, 96), 1), ((191, 192), 1), ((192, 192), 2), ((640, 960), 4), ((4000, 6000), 6)],
)
def test_the_depth_of_known_sizes(size: tuple[int, int], depth: int) -> None:
    assert depth_for(*size) == depth


sides = st.integers(1, 20_000)


@settings(max_examples=300, deadline=None)
@given(h=sides, w=sides)
def test_the_depth_leaves_a_low_band_of_one_size(h: int, w: int) -> None:
    depth = depth_for(h, w)
    span = math.sqrt(h * w) / 2**depth
    assert span < 96
    assert span >= 48 or depth == 0
    assert depth == depth_for(w, h)


@settings(max_examples=300, deadline=None)
@given(h=sides, w=sides)
def test_a_quarter_of_the_size_has_two_levels_less(h: int, w: int) -> None:
    if h * w >= 48 * 48:
        assert depth_for(4 * h, 4 * w) == depth_for(h, w) + 2


@settings(max_examples=300, deadline=None)
@given(h=sides, w=sides, more=st.integers(0, 5000))
def test_a_larger_picture_never_has_fewer_levels(h: int, w: int, more: int) -> None:
    assert depth_for(h + more, w) >= depth_for(h, w)


# Any size, any dtype, any thread.


SIZES = [(1, 1), (1, 2), (2, 1), (3, 3), (1, 500), (500, 1), (2, 301), (7, 5), (47, 49), (95, 97), (97, 95), (96, 96)]


@pytest.mark.slow
@pytest.mark.parametrize("size", [*SIZES, (193, 191), (1, 20_000), (301, 203)])
def test_it_takes_any_size(tiny: GradedLPTN, size: tuple[int, int]) -> None:
    picture = noise(1, 3, *size)
    before = picture.clone()
    with torch.no_grad():
        out = tiny(picture)
        told = tiny.translate(picture)
    assert out.shape == (1, 3, *size)
    for tensor in (out, *told):
        assert tensor.shape == out.shape
        assert bool(torch.isfinite(tensor).all())
    torch.testing.assert_close(told.result, out, atol=1e-6, rtol=0)
    assert torch.equal(picture, before)


@settings(max_examples=30, deadline=None)
@given(h=st.integers(1, 210), w=st.integers(1, 210))
def test_it_takes_any_other_size(tiny: GradedLPTN, h: int, w: int) -> None:
    with torch.no_grad():
        out = tiny(noise(1, 3, h, w))
    assert out.shape == (1, 3, h, w)
    assert bool(torch.isfinite(out).all())


def test_a_batch_is_as_good_as_single_pictures(tiny: GradedLPTN) -> None:
    batch = torch.cat([noise(2, 3, 120, 101), scene(120, 101)])
    with torch.no_grad():
        torch.testing.assert_close(tiny(batch), torch.cat([tiny(p[None]) for p in batch]), atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype, bound", [(torch.float16, 0.03), (torch.bfloat16, 0.15), (torch.float64, 1e-4)])
@pytest.mark.parametrize("size", [(1, 1), (75, 53), (130, 201)])
def test_it_runs_in_other_dtypes(tiny: GradedLPTN, dtype: torch.dtype, bound: float, size: tuple[int, int]) -> None:
    picture = scene(*size)
    with torch.no_grad():
        out = copy.deepcopy(tiny).to(dtype)(picture.to(dtype))
        assert out.dtype == dtype
        torch.testing.assert_close(out.float(), tiny(picture), atol=bound, rtol=0)


def test_it_runs_under_autocast(tiny: GradedLPTN, tiny_old: GradedLPTN) -> None:
    """As it is trained on a GPU: the picture keeps its type while layers compute in fewer bits."""
    picture = scene(75, 53)
    for net in (tiny, tiny_old):
        with torch.no_grad():
            with torch.autocast("cpu", torch.bfloat16):
                out, told = net(picture), net.translate(picture)
            assert out.dtype == told.result.dtype == torch.float32
            torch.testing.assert_close(out, net(picture), atol=0.05, rtol=0)


def test_it_can_be_built_on_the_meta_device() -> None:
    with torch.device("meta"):
        net = GradedLPTN(width=8, blocks=1, mask_width=4)
    assert {parameter.device.type for parameter in net.parameters()} == {"meta"}


def test_a_forward_writes_nothing_into_the_module(
    tiny: GradedLPTN, state_of: Callable[[nn.Module], dict[str, object]]
) -> None:
    before = state_of(tiny)
    with torch.no_grad():
        tiny(noise(1, 3, 100, 133))
        tiny.translate(noise(1, 3, 64, 20))
    assert state_of(tiny) == before


@pytest.mark.slow
def test_threads_do_not_disturb_each_other(
    tiny: GradedLPTN, same_from_threads: Callable[[nn.Module, list[Tensor]], None]
) -> None:
    pictures = [noise(1, 3, 60 + 40 * i, 255 - 30 * i, seed=i) for i in range(6)]
    same_from_threads(tiny, pictures)


# What it must not do.


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (75, 53), (211, 230)])
def test_a_network_that_learnt_nothing_changes_nothing(size: tuple[int, int]) -> None:
    net = GradedLPTN(width=8, blocks=1, mask_width=4).eval()
    with torch.no_grad():
        net.high.gain.zero_()  # its start is not zero: a light mask is there from the first step
        picture = noise(1, 3, *size)
        told = net.translate(picture)
        torch.testing.assert_close(net(picture), picture, atol=1e-6, rtol=0)
        torch.testing.assert_close(told.result, picture, atol=1e-6, rtol=0)
        torch.testing.assert_close(told.colour, picture, atol=1e-6, rtol=0)
        torch.testing.assert_close(told.light, torch.zeros_like(picture), atol=1e-6, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("size", [(64, 64), (75, 53), (301, 203)])
def test_a_flat_picture_gains_no_high_bands(tiny_old: GradedLPTN, value: float, size: tuple[int, int]) -> None:
    picture = torch.full((1, 3, *size), value)
    with torch.no_grad():
        told = tiny_old.translate(picture)
        graded = graded_by(tiny_old.decide(picture).curve, picture)
    assert float((told.result - picture).abs().max()) > 0.01, "the network must do something for this to mean it"
    # nothing from the mask, nothing from the transform of the high bands: the low band's change is all there is
    torch.testing.assert_close(told.result, told.colour, atol=1e-5, rtol=0)
    torch.testing.assert_close(told.colour, picture + told.light, atol=1e-5, rtol=0)
    assert float((graded.amax((2, 3)) - graded.amin((2, 3))).max()) < 1e-5


@pytest.mark.parametrize("size", [(64, 64), (301, 203)])
def test_a_flat_picture_stays_flat(tiny: GradedLPTN, size: tuple[int, int]) -> None:
    with torch.no_grad():
        out = tiny(torch.tensor([0.7, 0.4, 0.2]).view(1, 3, 1, 1).expand(1, 3, *size))
    assert float((out.amax((2, 3)) - out.amin((2, 3))).max()) < 1e-5


def test_the_look_is_the_same_at_a_quarter_of_the_size(fill: Fill) -> None:
    picture = scene(608, 832)
    reduced = F.avg_pool2d(picture, 4)
    for seed in range(2):
        net = fill(GradedLPTN(width=8, blocks=1, mask_width=4), seed, 0.1)
        with torch.no_grad():
            of_large = F.avg_pool2d(net(picture), 4)
            of_small = net(reduced)
        assert float((of_small - reduced).abs().mean()) > 0.05, "the network must do something for this to mean it"
        assert -10 * math.log10(float((of_large - of_small).square().mean())) >= 44


class Ramp(nn.Module):
    """In the translator's place: brightness times 1 at the left border to times 1.5 at the right."""

    def forward(self, low: Tensor) -> Tensor:
        b, _, h, w = low.shape
        field = low.new_zeros(b, 12, h, w)
        field[:, [0, 4, 8]] = 0.5 * (torch.arange(w) + 0.5) / w
        return field


def test_the_high_bands_follow_the_transform_of_their_place() -> None:
    """So a local brightening is one of edges and texture as well: low and high bands meet without a glow."""
    net = GradedLPTN(width=8, blocks=1, mask_width=4, gated=False).eval()
    net.low = Ramp()  # type: ignore[assignment]
    h, w = 256, 384
    with torch.no_grad():
        net.high.gain.zero_()
        for picture, has_texture in ((scene(h, w), False), (noise(1, 3, h, w), True)):
            told = net.translate(picture)
            wanted = picture * (1 + 0.5 * (torch.arange(w) + 0.5) / w)
            torch.testing.assert_close(told.result, wanted, atol=0.02, rtol=0)
            if has_texture:  # without detail it stays as it was, and that is not the same
                assert float((told.dose(picture, 1, 0) - wanted).abs().max()) > 0.1


# The dose.


@pytest.mark.parametrize("size", [(40, 30), (97, 150), (230, 211)])
def test_the_dose_obeys_its_laws_through_the_pyramid(tiny: GradedLPTN, size: tuple[int, int]) -> None:
    picture = noise(1, 3, *size)
    pyramid = LaplacianPyramid(depth_for(*size))
    with torch.no_grad():
        told = tiny.translate(picture)
        *highs, low = pyramid.decompose(picture)
        curve, share, _ = tiny.decide(picture)
        graded = pyramid.low_band(graded_by(curve, picture))
        new_low = low + share * (graded + apply_affine(tiny.low(graded), graded) - low)
    assert float((told.result - picture).abs().mean()) > 0.01
    assert not highs or float((told.result - told.colour).abs().max()) > 1e-3
    torch.testing.assert_close(told.dose(picture, 1, 1), told.result, atol=1e-6, rtol=0)
    torch.testing.assert_close(told.dose(picture, 0, 0), picture, atol=1e-6, rtol=0)
    for amount in (0, 0.5, 1, 2):  # without detail, the high bands are the picture's own
        expected = pyramid.reconstruct([*highs, low + amount * (new_low - low)])
        torch.testing.assert_close(told.dose(picture, amount, 0), expected, atol=1e-5, rtol=0)
    # without amount, the low band is the picture's own: what detail adds is the mask's work alone
    for detail in (0.5, 1, 2):
        change = told.dose(picture, 0, detail) - picture
        torch.testing.assert_close(change, detail * (told.result - told.colour), atol=1e-5, rtol=0)
    full = pyramid.reconstruct([*(torch.zeros_like(high) for high in highs), new_low - low])
    of_highs = told.result - picture - full
    torch.testing.assert_close(told.dose(picture, 1, 2), told.result + of_highs, atol=1e-5, rtol=0)


# What a picture gets of the look.


SOME = [(1, 1), (7, 5), (97, 150), (230, 211)]
strengths = st.tuples(st.floats(0, 2), st.floats(0, 2))


def test_pictures_get_about_half_of_the_tiny_networks_look_and_all_of_the_old_ones(
    tiny: GradedLPTN, tiny_old: GradedLPTN
) -> None:
    with torch.no_grad():
        for seed in range(5):
            picture = noise(1, 3, 97, 150, seed=seed)
            assert 0.4 < float(tiny.decide(picture).share) < 0.6
            assert float(tiny_old.decide(picture).share) == 1


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1), strength=strengths, size=st.sampled_from(SOME), colour=st.sampled_from([0, 0.02, 1]))
def test_a_share_blends_the_picture_and_the_result(
    tiny: GradedLPTN, giving: Giving, share: float, strength: tuple[float, float], size: tuple[int, int], colour: float
) -> None:
    """At every strength."""
    picture = faded(noise(1, 3, *size), colour)
    part, whole, nothing = giving(tiny, share), giving(tiny, 1), giving(tiny, 0)
    with torch.no_grad():
        blend = picture + share * (whole(picture) - picture)
        torch.testing.assert_close(part(picture), blend, atol=1e-5, rtol=0)
        dosed, dosed_whole = (net.translate(picture).dose(picture, *strength) for net in (part, whole))
        blend = picture + share * (dosed_whole - picture)
        torch.testing.assert_close(dosed, blend, atol=2e-5, rtol=0)
        assert torch.equal(nothing(picture), picture)
        assert torch.equal(nothing.translate(picture).dose(picture, *strength), picture)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(strength=strengths, size=st.sampled_from(SOME), seed=st.integers(0, 1000))
def test_what_has_no_colour_gets_none(tiny: GradedLPTN, strength: tuple[float, float], size: Size, seed: int) -> None:
    picture = faded(noise(1, 3, *size, seed=seed), 0)
    with torch.no_grad():
        told, choice = tiny.translate(picture), tiny.decide(picture)
        graded = graded_by(choice.curve, picture)
        assert float((graded.amax(1) - graded.amin(1)).max()) > 0.01, "the network tints"
        assert choice.grey == 1
        for result in (tiny(picture), *told, told.dose(picture, *strength)):
            assert torch.equal(result[:, 0], result[:, 1]) and torch.equal(result[:, 1], result[:, 2])


@pytest.mark.parametrize("size", SOME)
def test_what_has_colour_is_not_touched_by_that(tiny: GradedLPTN, size: Size, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(1, 3, *size)
    with torch.no_grad():
        assert tiny.decide(picture).grey == 0
        result, told = tiny(picture), tiny.translate(picture)
        monkeypatch.setattr("lptn_retouch.model.translation.greyed", lambda colours, _: colours)
        assert torch.equal(result, tiny(picture))
        assert all(torch.equal(a, b) for a, b in zip(told, tiny.translate(picture), strict=True))


def test_one_coloured_spot_makes_a_picture_coloured(tiny: GradedLPTN) -> None:
    picture = faded(noise(1, 3, 300, 400), 0)
    picture[:, 0, 100:110, 200:210] += 0.2
    with torch.no_grad():
        assert tiny.decide(picture).grey == 0


def test_between_no_colour_and_some_it_is_gradual(tiny: GradedLPTN) -> None:
    picture = noise(1, 3, 97, 150)
    with torch.no_grad():
        greys = [float(tiny.decide(faded(picture, colour / 1000)).grey) for colour in range(60)]
        mixed = greyed(picture, torch.full((1, 1, 1, 1), 0.3))
    assert greys[:5] == [1] * 5 and greys[-5:] == [0] * 5
    assert all(0 <= before - after < 0.1 for before, after in pairwise(greys))
    assert any(0 < grey < 1 for grey in greys)
    torch.testing.assert_close(luma(mixed), luma(picture), atol=1e-6, rtol=0)
    torch.testing.assert_close(mixed, faded_to(luma(picture), picture, 0.7), atol=1e-6, rtol=0)


def test_pictures_of_a_batch_get_each_their_own_part(tiny: GradedLPTN) -> None:
    batch = torch.cat([noise(1, 3, 120, 101), faded(scene(120, 101), 0), faded(noise(1, 3, 120, 101), 0.02)])
    with torch.no_grad():
        choice = tiny.decide(batch)
        assert choice.share.unique().numel() == choice.grey.unique().numel() == 3
        # six levels lie between grey and colour, so what rounding does there is enlarged
        torch.testing.assert_close(tiny(batch), torch.cat([tiny(p[None]) for p in batch]), atol=1e-4, rtol=0)


# Weights.


def test_weights_without_a_share_give_all_of_the_look(tiny: GradedLPTN, tiny_old: GradedLPTN, giving: Giving) -> None:
    """As `retouch` does, and looks from pairs."""
    assert {name for name in tiny.state_dict() if name not in tiny_old.state_dict()} == {
        name for name in tiny.state_dict() if name.startswith("gate.")
    }
    whole = giving(tiny, 1)
    for size in SOME[1:]:  # a single pixel is an empty frame
        picture = noise(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(tiny_old(picture), whole(picture), atol=1e-5, rtol=0)
            for old, new in zip(tiny_old.translate(picture), whole.translate(picture), strict=True):
                torch.testing.assert_close(old, new, atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_an_empty_frame_gets_nothing_of_a_look_that_chooses(tiny: GradedLPTN, giving: Giving, value: float) -> None:
    frame = torch.full((1, 3, 97, 150), value)
    whole = giving(tiny, 1)
    with torch.no_grad():
        assert torch.equal(whole(frame), frame)
        scene = frame + torch.linspace(0, 0.2, 150)
        assert float(whole.decide(scene).share) == 1
        shares = [float(whole.decide(frame + torch.linspace(0, k / 255, 150)).share) for k in range(30)]
        assert shares == sorted(shares), "no step"
        assert max(b - a for a, b in pairwise(shares)) < 0.15


@pytest.mark.parametrize("width, blocks, mask_width", [(8, 1, 4), (5, 0, 3), (16, 3, 1), (1, 6, 16)])
def test_a_network_is_read_back_from_its_weights_alone(fill: Fill, width: int, blocks: int, mask_width: int) -> None:
    net = fill(GradedLPTN(width, blocks, mask_width))
    back = GradedLPTN.from_state_dict(net.state_dict())
    assert not back.training
    assert back.state_dict().keys() == net.state_dict().keys()
    picture = noise(1, 3, 99, 105)
    with torch.no_grad():
        assert torch.equal(back(picture), net(picture))


BIAS = "grade.eye.0.bias"


@pytest.mark.parametrize(
    "change, word",
    [
        ({BIAS: None}, "lack"),
        ({"low.inward.2.weight": None}, "graded"),
        ({"high.model.0.weight": None}, "graded"),
        ({"low.inward.2.weight": torch.tensor(1.0)}, "graded"),
        ({"low.inward.2.weight": torch.zeros(0, 24, 3, 3)}, "."),
        ({"low.inward.2.weight": torch.zeros(8, 24, 5, 5)}, "shape"),
        ({"low.inward.2.weight": torch.zeros(4096, 0)}, "larger"),
        ({f"low.body.{i}.block.0.weight": torch.zeros(0) for i in range(70)}, "larger"),
        ({"grade.more": torch.zeros(1)}, "unknown"),
        ({"grade." + "x" * 100_000: torch.zeros(1)}, "unknown"),
        ({"\x1b[31m\n": torch.zeros(1)}, "unknown"),
        ({BIAS: torch.zeros(16, dtype=torch.int64)}, "finite"),
        ({BIAS: torch.full((16,), torch.nan)}, "finite"),
        ({BIAS: torch.full((16,), torch.inf, dtype=torch.float16)}, "finite"),
        ({BIAS: torch.full((16,), 1e300, dtype=torch.float64)}, "finite"),
        ({BIAS: torch.full((16,), torch.nan).to(torch.float8_e4m3fn)}, "finite"),
        ({BIAS: torch.zeros(16, device="meta")}, "."),
        ({BIAS: torch.zeros(16, dtype=torch.complex64)}, "finite"),
        ({"grade.choose.3.weight": torch.zeros(62, 128), "grade.choose.3.bias": torch.zeros(62)}, "62"),
        ({"grade.choose.3.weight": torch.zeros(59, 128)}, "shape"),
        ({"grade.choose.3.weight": torch.tensor(1.0)}, "shape"),
    ],
)
def test_other_weights_are_refused_in_a_sentence(
    tiny: GradedLPTN, change: dict[str, Tensor | None], word: str, one_sentence: Sentence
) -> None:
    weights = {k: v for k, v in (tiny.state_dict() | change).items() if v is not None}
    with pytest.raises(InvalidPresetError) as caught:
        GradedLPTN.from_state_dict(weights)
    assert word in one_sentence(caught.value)


# The polynomial.


def test_the_cubic_terms_are_the_monomials_up_to_degree_three() -> None:
    """20 independent ones: a picture of 200 colours pins every coefficient down."""
    colours = noise(1, 3, 10, 20).double()
    terms = cubic_terms(colours)[0].flatten(1)
    assert terms.shape == (20, 200)
    assert int(torch.linalg.matrix_rank(terms)) == 20
    x = colours[0].flatten(1) * 2 - 1
    every = [x[0] ** i * x[1] ** j * x[2] ** k for i in range(4) for j in range(4) for k in range(4) if i + j + k <= 3]
    for monomial in every:
        assert any(torch.allclose(monomial, term) for term in terms)


def test_a_large_picture_is_graded_in_strips_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lptn_retouch.model.graded._STRIP", 1000)
    picture = noise(2, 3, 61, 173)
    coefficients = noise(2, 3, 20, seed=1)
    at_once = (coefficients @ cubic_terms(picture).flatten(2)).view_as(picture)
    with torch.no_grad():
        torch.testing.assert_close(apply_polynomial(coefficients, picture), at_once, atol=1e-5, rtol=0)
