"""The published network: held to outputs of the published code, read back from its weights, free of state."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lptn_retouch.errors import InvalidPresetError
from lptn_retouch.model.lptn import LPTN, Form
from lptn_retouch.model.pyramid import LaplacianPyramid
from lptn_retouch.model.translation import Translation
from tests.places import ROOT

GOLDEN = ROOT / "tests" / "golden"
FORMS: tuple[Form, ...] = ("released", "paper")
Sentence = Callable[[object], str]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def small(form: Form = "released", depth: int = 3) -> LPTN:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return LPTN(depth, low_blocks=1, high_blocks=1, form=form).eval()


def check_against(golden: dict[str, Tensor], net: LPTN) -> None:
    cases = sorted({name.split("/")[0] for name in golden if name.startswith("case")})
    assert cases
    for case in cases:
        picture = golden[f"{case}/input"]
        bands = net.pyramid.decompose(picture)
        assert len(bands) == net.depth + 1
        for i, band in enumerate(bands):
            torch.testing.assert_close(band, golden[f"{case}/pyramid{i}"], atol=1e-5, rtol=0)
        with torch.no_grad():
            torch.testing.assert_close(net(picture), golden[f"{case}/output"], atol=1e-5, rtol=0)
            torch.testing.assert_close(net.translate(picture).result, golden[f"{case}/output"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name, form, depth", [("released_L3", "released", 3), ("released_L4", "released", 4),
                                               ("paper_L3", "paper", 3)])  # fmt: skip
def test_it_gives_what_the_published_code_gives(name: str, form: Form, depth: int) -> None:
    golden = load_file(GOLDEN / f"{name}.safetensors")
    net = LPTN.from_state_dict({k.removeprefix("weights/"): v for k, v in golden.items() if k.startswith("weights/")})
    assert (net.form, net.depth) == (form, depth)
    check_against(golden, net)


def test_it_gives_what_the_published_fivek_weights_give(shared: Path) -> None:
    file = shared / "weights" / "net_g_FiveK_numhigh3.pth"
    if not file.is_file():
        pytest.skip(f"the published weights are not here: {file}")
    state = torch.load(file, map_location="cpu", weights_only=True)
    net = LPTN.from_state_dict(state.get("params", state))
    check_against(load_file(GOLDEN / "fivek_official_outputs.safetensors"), net)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "depth, low_blocks, high_blocks",
    [*((d, d % 3, (d + 1) % 3) for d in range(1, 9)), *((2, b, 6 - b) for b in range(7))],
)
def test_hyper_parameters_are_read_from_the_weights_alone(
    form: Form, depth: int, low_blocks: int, high_blocks: int
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(depth)
        net = LPTN(depth, low_blocks, high_blocks, form).eval()
    back = LPTN.from_state_dict(net.state_dict())
    assert (back.depth, back.form, back.training) == (depth, form, False)
    blocks = [sum(name.endswith(".block") for name, _ in part.named_modules())
              for part in (back.trans_low, back.trans_high)]  # fmt: skip
    assert blocks == [low_blocks, high_blocks]
    picture = noise(1, 3, 24, 37)
    if depth < 5:  # else its low band is a single sample: a test of its own below
        with torch.no_grad():
            assert torch.equal(back(picture), net(picture))


def test_the_second_copy_of_the_last_block_is_left_out() -> None:
    weights = small().state_dict()
    last = {k: v for k, v in weights.items() if ".trans_mask_block_2." in k}
    twice = weights | {k.replace("trans_mask_block_2", "trans_mask_block"): v for k, v in last.items()}
    assert len(twice) == len(weights) + 4
    assert LPTN.from_state_dict(twice).state_dict().keys() == weights.keys()


def test_the_weights_given_are_neither_kept_nor_changed() -> None:
    weights = small().state_dict()
    before = {k: v.clone() for k, v in weights.items()}
    net = LPTN.from_state_dict(weights)
    with torch.no_grad():
        next(net.parameters()).add_(1)
    assert all(torch.equal(weights[k], before[k]) for k in weights)


@pytest.mark.parametrize("form", FORMS)
def test_a_forward_writes_nothing_into_the_module(
    form: Form, state_of: Callable[[nn.Module], dict[str, object]]
) -> None:
    net = small(form)
    before = state_of(net)
    with torch.no_grad():
        net(noise(1, 3, 40, 33))
        net.translate(noise(1, 3, 64, 20))
    assert state_of(net) == before


@pytest.mark.parametrize("form", FORMS)
def test_threads_do_not_disturb_each_other(
    form: Form, same_from_threads: Callable[[nn.Module, list[Tensor]], None]
) -> None:
    net = small(form)
    pictures = [noise(1, 3, 30 + 7 * i, 55 - 5 * i, seed=i) for i in range(6)]
    same_from_threads(net, pictures)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_it_can_be_built_on_the_meta_device(form: Form) -> None:
    with torch.device("meta"):
        net = LPTN(form=form)
        out = net(torch.empty(1, 3, 75, 53))
    assert {parameter.device.type for parameter in net.parameters()} == {"meta"}
    assert out.shape == (1, 3, 75, 53)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype, bound", [(torch.float16, 0.02), (torch.bfloat16, 0.1), (torch.float64, 1e-5)])
def test_it_runs_in_other_dtypes(form: Form, dtype: torch.dtype, bound: float) -> None:
    net = small(form)
    picture = noise(1, 3, 41, 60)
    with torch.no_grad():
        out = copy.deepcopy(net).to(dtype)(picture.to(dtype))
        assert out.dtype == dtype
        torch.testing.assert_close(out.float(), net(picture), atol=bound, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (7, 7), (8, 8), (1, 40), (40, 1), (9, 9), (17, 90)])
def test_it_takes_any_size(size: tuple[int, int]) -> None:
    """Also one whose low band is a single sample, over which an instance norm has nothing to measure."""
    net = small()
    with torch.no_grad():
        out = net(noise(2, 3, *size))
    assert out.shape == (2, 3, *size)
    assert bool(torch.isfinite(out).all())


def test_a_batch_is_as_good_as_single_pictures() -> None:
    net = small()
    batch = noise(3, 3, 40, 33)
    with torch.no_grad():
        torch.testing.assert_close(net(batch), torch.cat([net(p[None]) for p in batch]), atol=1e-5, rtol=0)


# The dose.


@pytest.mark.parametrize("form", FORMS)
def test_the_dose_obeys_its_laws_through_the_pyramid(form: Form) -> None:
    net = small(form)
    picture = noise(1, 3, 45, 62)
    pyramid: LaplacianPyramid = net.pyramid
    with torch.no_grad():
        told = net.translate(picture)
        bands = pyramid.decompose(picture)
        new = net.translate_bands(bands)
    assert float((told.result - picture).abs().mean()) > 0.01, "the network must do something for this test to mean it"
    torch.testing.assert_close(told.dose(picture, 1, 1), told.result, atol=1e-6, rtol=0)
    torch.testing.assert_close(told.dose(picture, 0, 0), picture, atol=1e-6, rtol=0)
    for amount in (0, 0.5, 1, 2):
        for detail in (0, 0.5, 1, 2):
            strengths = [detail] * net.depth + [amount]
            moved = [b + s * (n - b) for b, n, s in zip(bands, new, strengths, strict=True)]
            expected = pyramid.reconstruct(moved)
            torch.testing.assert_close(told.dose(picture, amount, detail), expected, atol=1e-5, rtol=0)


def test_a_translation_is_dosed_in_its_parts() -> None:
    picture, light, colour, result = (torch.tensor(v) for v in (0.2, 0.1, 0.5, 0.9))
    told = Translation(result=result, colour=colour, light=light)
    # light 0.1, the high bands following it 0.2, the mask 0.4
    assert float(told.dose(picture, 2, 1)) == pytest.approx(0.2 + 2 * 0.3 + 0.4)
    assert float(told.dose(picture, 2, 0)) == pytest.approx(0.2 + 2 * 0.1)
    assert float(told.dose(picture, 0, 2)) == pytest.approx(0.2 + 2 * 0.4)
    assert float(told.dose(picture, 1, 2)) == pytest.approx(0.2 + 0.1 + 2 * (0.2 + 0.4))


# Weights that are not an LPTN's.

LOW = "trans_low.model.0.weight"


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "change, word",
    [
        ({LOW: None}, "lack"),
        ({"trans_high.model.0.bias": None}, "lack"),
        ({"trans_high.trans_mask_block_1.0.weight": None}, "weights"),
        ({"trans_high.trans_mask_block_0.0.weight": None}, "weights"),
        ({"trans_low.model.7.weight": torch.zeros(1)}, "unknown"),
        ({"trans_high.trans_mask_block_9.0.weight": torch.zeros(1)}, "weights"),
        ({LOW: torch.zeros(16, 3, 5, 5)}, "shape"),
        ({LOW: torch.zeros(16, 3, 3, 3, dtype=torch.int32)}, "finite"),
        ({LOW: torch.full((16, 3, 3, 3), torch.nan)}, "finite"),
        ({LOW: torch.full((16, 3, 3, 3), -torch.inf)}, "finite"),
        ({LOW: torch.full((16, 3, 3, 3), 1e300, dtype=torch.float64)}, "finite"),
        ({LOW: torch.full((16, 3, 3, 3), torch.nan).to(torch.float8_e4m3fn)}, "finite"),
        ({LOW: torch.zeros(16, 3, 3, 3, device="meta")}, "."),
        ({"trans_high.trans_mask_block_0.0.weight": torch.tensor(1.0)}, "."),
        ({"trans_high.trans_mask_block_0.0.weight": torch.zeros(0, 0, 1, 1)}, "shape"),
        ({"x" * 100_000: torch.zeros(1)}, "unknown"),
        ({"\x1b[31m\n": torch.zeros(1)}, "unknown"),
    ],
)
def test_other_weights_are_refused_in_a_sentence(
    form: Form, change: dict[str, Tensor | None], word: str, one_sentence: Sentence
) -> None:
    weights = {k: v for k, v in (small(form).state_dict() | change).items() if v is not None}
    with pytest.raises(InvalidPresetError) as caught:
        LPTN.from_state_dict(weights)
    assert word in one_sentence(caught.value)


def test_a_depth_it_does_not_have_is_refused() -> None:
    for depth in (0, 9, -1):
        with pytest.raises(ValueError, match="1 to 8"):
            LPTN(depth)
    nine = small(depth=8).state_dict()
    nine |= {k.replace("block_7", "block_8"): v for k, v in nine.items() if "block_7" in k}
    with pytest.raises(InvalidPresetError):
        LPTN.from_state_dict(nine)
