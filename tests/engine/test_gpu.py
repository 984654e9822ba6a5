"""The GPU engine against the torch reference: by Triton's interpreter where there is no GPU, and on one where there is.

The engine telescopes the pyramid. So the same is done here in torch, level by level: that may differ from the network
by what the project promises, and the engine from that by rounding alone, or a border or a seam would be wrong.

The interpreter needs the same time for an operation however large the tile, so whole pictures are done in larger tiles
than on a GPU, and are small, with the levels of a large one; that the engine's own tiles meet without a seam is tested
on the kernels.
"""

import copy
import importlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import lptn_retouch.engine
from lptn_retouch import load_preset
from lptn_retouch.engine.cells import interpolating, shrinking
from lptn_retouch.engine.coarse import Coarse, translate_coarse
from lptn_retouch.engine.plan import FULL_SCALE
from lptn_retouch.engine.reference import ReferenceEngine
from lptn_retouch.errors import InvalidPresetError
from lptn_retouch.model.form import depth_for, seen_level
from lptn_retouch.model.graded import GradedLPTN, apply_linear, graded_by
from lptn_retouch.model.pyramid import LaplacianPyramid, enlarge_by
from tests.places import SAMPLES

pytestmark = pytest.mark.gpu

Sentence = Callable[[object], str]
CPU = torch.device("cpu")
DTYPES = (np.uint8, np.uint16, np.float32)
# What the project promises of every engine on photographs, in 8-bit levels from the reference.
MOST = 0.999  # of the samples
MOST_WITHIN, ALL_WITHIN = 1, 2  # of 8 bits, as whole numbers
MEAN, MOST_APART = 0.01, 0.2  # of 16 bits and floats
# What rounding may do to the same mathematics, in the picture's own steps.
ROUNDING = {np.dtype(np.uint8): 1, np.dtype(np.uint16): 2, np.dtype(np.float32): 1e-5}
OURS = ("triton_pixels", "triton_kernels", "gpu_workspace", "gpu")

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device, so nothing to run on")


@contextmanager
def imported_anew() -> Iterator[ModuleType]:
    """The engine's modules, imported as things are now; afterwards those that were there are there again."""
    package = lptn_retouch.engine
    before = {name: sys.modules.pop(f"{package.__name__}.{name}", None) for name in OURS}
    for name in OURS:
        vars(package).pop(name, None)
    try:
        yield importlib.import_module(f"{package.__name__}.gpu")
    finally:
        for name, module in before.items():
            sys.modules.pop(f"{package.__name__}.{name}", None)
            vars(package).pop(name, None)
            if module is not None:
                sys.modules[f"{package.__name__}.{name}"] = module
                setattr(package, name, module)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The engine's module, its kernels interpreted."""
    triton = pytest.importorskip("triton", reason="Triton is not installed")
    from triton.runtime.interpreter import InterpretedFunction

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    if not isinstance(triton.language.sum, InterpretedFunction):  # Triton's own kernel, made when it was imported
        monkeypatch.setattr(triton.language, "sum", InterpretedFunction(triton.language.sum.fn))
    # A function called by a kernel would prepare all of triton.language once more, which is most of the time.
    monkeypatch.setattr(InterpretedFunction, "__call__", lambda self, *args, **named: self.rewrite()(*args, **named))
    with imported_anew() as module:
        yield module


@pytest.fixture
def kernels(gpu: ModuleType) -> ModuleType:
    return sys.modules[gpu.__name__.replace("gpu", "triton_kernels")]


@pytest.fixture
def large_tiles(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from triton.language import constexpr

    for name, value in {"_SAMPLES": 8192, "_STRIP": 64, "_COLUMNS": 2048, "_LINES": 64}.items():
        assert hasattr(kernels, name)
        monkeypatch.setattr(kernels, name, constexpr(value))


@pytest.fixture
def low_span(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Give a small picture the levels of a large one: with a smaller low band there are more."""

    def give(span: int) -> None:
        for module in ("form", "graded"):
            monkeypatch.setattr(f"lptn_retouch.model.{module}.LOW_SPAN", span)

    return give


def noise(height: int, width: int, dtype: Any, channels: int = 3, seed: int = 0, colour: float = 1) -> np.ndarray:
    """Soft colours under hard noise: every level of the pyramid has something to say. Without `colour` it is grey."""
    rng = np.random.default_rng(seed)
    soft = np.kron(rng.random((height // 16 + 1, width // 16 + 1, channels)), np.ones((16, 16, 1)))[:height, :width]
    picture = 0.8 * soft + 0.2 * rng.random((height, width, channels))
    light = picture[..., :3].mean(2, keepdims=True)
    picture[..., :3] = light + colour * (picture[..., :3] - light)
    return (picture * FULL_SCALE[np.dtype(dtype)]).astype(dtype)


def planes(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def unit(picture: np.ndarray) -> Tensor:
    """Colours alone, (1, 3, H, W), in [0, 1]."""
    return torch.from_numpy(picture[..., :3] / np.float32(FULL_SCALE[picture.dtype])).permute(2, 0, 1)[None]


def sizes(height: int, width: int, levels: int) -> list[tuple[int, int]]:
    """Of a pyramid's levels, the picture's own first."""
    return [(-(-height // 2**level), -(-width // 2**level)) for level in range(levels + 1)]


def enlarged_across(level: Tensor, width: int, doublings: int) -> Tensor:
    """(c, h, w) to (c, h, width), each doubling by itself."""
    rows = level.reshape(1, -1, 1, level.shape[2])  # apart, so that only columns are enlarged
    return enlarge_by(doublings, rows, (1, width)).reshape(*level.shape[:2], width)


def graded_and_translated(
    net: GradedLPTN, seen: Tensor, depth: int, amount: float, detail: float
) -> tuple[Tensor, Tensor, Coarse]:
    """What is between the picture's two readings, in torch: the curve, the share, and what that is of the levels."""
    curve, share, grey = net.decide(seen)
    coarse = translate_coarse(net, seen, graded_by(curve, seen), depth, amount, detail)
    return curve, share, coarse.in_part(share, grey)


def telescoped(net: GradedLPTN, picture: np.ndarray, amount: float, detail: float) -> np.ndarray:
    """The engine's mathematics in torch, each halving and each doubling by itself."""
    plain, depth = unit(picture), depth_for(*picture.shape[:2])
    pyramid = LaplacianPyramid(seen_level(depth))
    with torch.no_grad():
        curve, share, (left, field) = graded_and_translated(net, pyramid.low_band(plain), depth, amount, detail)
        graded = graded_by(curve, plain)
        left = enlarge_by(pyramid.depth, left, picture.shape[:2])
        field = enlarge_by(depth, field, picture.shape[:2])
        result = (apply_linear(field, graded) + left + (1 - share * amount * detail) * plain).clamp(0, 1)
    out, full = picture.copy(), FULL_SCALE[picture.dtype]
    out[..., :3] = (result * full + 0.5 if full != 1 else result)[0].permute(1, 2, 0).numpy()
    return out


def agree(result: np.ndarray, expected: np.ndarray) -> None:
    """But for rounding."""
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    apart = np.abs(result.astype(np.float64) - expected.astype(np.float64))
    assert apart.max() <= ROUNDING[result.dtype], (apart.max(), (apart > 0).mean())
    assert np.array_equal(result[..., 3:], expected[..., 3:])


def keeps_the_promise(result: np.ndarray, reference: np.ndarray) -> None:
    apart = np.abs(result.astype(np.float64) - reference.astype(np.float64)) * 255 / FULL_SCALE[result.dtype]
    if result.dtype == np.uint8:
        assert (apart <= MOST_WITHIN).mean() >= MOST, (apart <= MOST_WITHIN).mean()
        assert apart.max() <= ALL_WITHIN
    else:
        assert apart.mean() <= MEAN, apart.mean()
        assert (apart <= MOST_APART).mean() >= MOST, (apart <= MOST_APART).mean()


# The mathematics, and its tables.


@pytest.mark.parametrize("name", ["lake-sherburne.jpg", "oakland-zoo-otters.jpg"])
@pytest.mark.parametrize(
    ("preset", "strength"), [("retouch", (1, 1)), ("retouch", (2, 2)), ("golden-hour", (1, 1)), ("night", (0.7, 1.6))]
)
def test_telescoped_a_photograph_is_as_promised(name: str, preset: str, strength: tuple[float, float]) -> None:
    net = load_preset(preset).network
    pixels = np.asarray(Image.open(SAMPLES / name).convert("RGB").resize((1001, 701)))
    assert seen_level(depth_for(701, 1001)) == 1, "or nothing would be telescoped"
    for picture in (pixels, pixels / np.float32(255)):
        reference = ReferenceEngine(net, CPU)(picture, *strength)
        keeps_the_promise(telescoped(net, picture, *strength), reference)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (60, 50), (110, 103), (205, 190), (400, 390)])
@pytest.mark.parametrize("strength", [(1, 1), (2, 0.3), (0, 1)])
def test_where_all_levels_have_a_mask_nothing_is_telescoped(
    tiny: GradedLPTN, size: tuple[int, int], strength: tuple[float, float]
) -> None:
    picture = noise(*size, np.float32)
    assert seen_level(depth_for(*size)) == 0
    agree(telescoped(tiny, picture, *strength), ReferenceEngine(tiny, CPU)(picture, *strength))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3000), st.integers(0, 7), st.integers(0, 2**31))
def test_the_tables_are_all_the_steps_at_once(fine: int, doublings: int, seed: int) -> None:
    levels = [size for size, _ in sizes(fine, 1, doublings)]
    pyramid = LaplacianPyramid(doublings)
    cell = torch.arange(fine) >> doublings

    level, table = planes(1, 1, levels[-1], 1, seed=seed), interpolating(fine, doublings)
    around = F.pad(level[0, 0, :, 0], (1, 1), value=1e3)  # outside, of which the tables know nothing
    made = sum(table[k] * around[cell + k] for k in range(3))
    torch.testing.assert_close(made, enlarge_by(doublings, level, (fine, 1))[0, 0, :, 0], atol=1e-6, rtol=0)

    level, table = planes(1, 1, fine, 1, seed=seed), shrinking(fine, doublings)
    made = torch.zeros(levels[-1] + 4)
    for k in range(5):
        made.index_add_(0, cell + k, table[k] * level[0, 0, :, 0])
    torch.testing.assert_close(made[2:-2], pyramid.low_band(level)[0, 0, :, 0], atol=1e-6, rtol=0)
    assert not made[:2].any()
    assert not made[-2:].any()


# The kernels, in the engine's own tiles.


@pytest.mark.parametrize(
    ("shape", "doublings", "dtype"),
    [
        ((1, 1, 3), 0, np.uint8),
        ((1, 7, 4), 1, np.uint8),
        ((45, 143, 4), 1, np.uint16),
        ((75, 35, 4), 2, np.float32),
        ((19, 401, 3), 3, np.uint8),
        ((301, 9, 3), 3, np.float32),
    ],
)
def test_a_picture_is_shrunk(kernels: ModuleType, shape: tuple[int, int, int], doublings: int, dtype: Any) -> None:
    picture = noise(*shape[:2], dtype, shape[2])
    height, width = sizes(*shape[:2], doublings)[-1]
    wide, out = torch.full((3, height, shape[1]), torch.nan), torch.full((3, height, width), torch.nan)
    tables = shrinking(shape[0], doublings), shrinking(shape[1], doublings)
    kernels.shrink(torch.from_numpy(picture), tables, doublings, wide, out)
    torch.testing.assert_close(out[None], LaplacianPyramid(doublings).low_band(unit(picture)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (45, 143), (6, 301)])
def test_a_level_is_graded(kernels: ModuleType, tiny: GradedLPTN, size: tuple[int, int]) -> None:
    level = planes(1, 3, *size)
    out = torch.full_like(level[0], torch.nan)
    with torch.no_grad():
        curve = tiny.decide(level).curve
        graded = graded_by(curve, level)
    assert (graded - level).abs().mean() > 0.01, "the grade must do something for this to mean it"
    kernels.grade_level(level[0], curve[0], out)
    torch.testing.assert_close(out, graded[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("size", "doublings", "planar"), [((9, 301), 1, 3), ((2, 150), 3, 3), ((3, 261), 6, 9)])
def test_a_level_is_enlarged_across(kernels: ModuleType, size: tuple[int, int], doublings: int, planar: int) -> None:
    level = planes(planar, size[0], -(-size[1] // 2**doublings))
    out = torch.full((planar, *size), torch.nan)
    kernels.enlarge_across(level, interpolating(size[1], doublings), doublings, out)
    torch.testing.assert_close(out, enlarged_across(level, size[1], doublings), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("size", "doublings", "channels", "masked"),
    [
        ((5, 130), (0, 2), 3, False),
        ((11, 141), (1, 4), 4, True),
        ((21, 35), (2, 5), 3, True),
        ((37, 7), (3, 6), 4, False),
    ],
)
def test_a_picture_is_finished(
    kernels: ModuleType, size: tuple[int, int], doublings: tuple[int, int], channels: int, masked: bool
) -> None:
    picture = noise(*size, np.float32, channels)
    picture[..., :3] = 0.4 + 0.1 * picture[..., :3]  # so that little is clipped
    height, width = size
    left, field = (planes(n, -(-height // 2**k), width, seed=n) / 10 for n, k in zip((3, 9), doublings, strict=True))
    where = planes(*size, seed=1) if masked else None
    tables = interpolating(height, doublings[0]), interpolating(height, doublings[1])
    curve = planes(1, 3, 20, seed=2) / 20 - 1 / 40
    out = torch.from_numpy(picture.copy())
    share = torch.tensor(0.5)
    kernels.finish(out, curve[0], share, (left, field), tables, doublings, 0.8, where, out)

    left = enlarged_across(left.mT, height, doublings[0]).mT
    field = enlarged_across(field.mT, height, doublings[1]).mT
    own = unit(picture)
    with torch.no_grad():
        expected = (apply_linear(field[None], graded_by(curve, own)) + left + 0.6 * own).clamp(0, 1)
    if where is not None:
        expected = torch.lerp(own, expected, where)
    torch.testing.assert_close(out[None, ..., :3], expected.permute(0, 2, 3, 1), atol=2e-6, rtol=0)
    assert np.array_equal(out[..., 3:], picture[..., 3:])


# The engine is the same in torch, and within the promise.


@pytest.mark.usefixtures("large_tiles")
@pytest.mark.parametrize(
    ("shape", "span", "depth", "dtype", "strength"),
    [
        ((1, 1, 3), 48, 0, np.uint8, (1, 1)),
        ((20, 31, 4), 48, 0, np.uint16, (0.7, 1.6)),  # a picture without a pyramid
        ((35, 24, 3), 3, 3, np.float32, (1, 0)),  # all levels have a mask
        ((57, 41, 3), 3, 4, np.float32, (2, 2)),
        ((75, 63, 4), 2, 5, np.uint8, (1, 1)),
        ((66, 95, 3), 1, 6, np.uint16, (0.5, 1)),
        ((101, 83, 4), 2, 5, np.float32, (0.7, 1.6)),
        ((199, 7, 3), 2, 4, np.uint8, (0, 1)),
    ],
)
def test_it_is_the_same_as_in_torch(
    gpu: ModuleType,
    tiny: GradedLPTN,
    tiny_old: GradedLPTN,
    low_span: Callable[[int], None],
    shape: tuple[int, int, int],
    span: int,
    depth: int,
    dtype: Any,
    strength: tuple[float, float],
) -> None:
    low_span(span)
    assert depth_for(*shape[:2]) == depth
    for net, colour in ((tiny, 1), (tiny_old, 0.02)):  # with colour, and half without
        picture = noise(*shape[:2], dtype, shape[2], colour=colour)
        picture.flags.writeable = False
        agree(gpu.GpuEngine(net, CPU)(picture, *strength), telescoped(net, picture, *strength))


@pytest.mark.usefixtures("large_tiles")
def test_a_photograph_is_as_promised(gpu: ModuleType) -> None:
    net = load_preset("retouch").network
    picture = np.asarray(Image.open(SAMPLES / "lake-sherburne.jpg").convert("RGB").resize((4801, 126)))
    assert seen_level(depth_for(126, 4801)) == 1, "or nothing would be telescoped"
    keeps_the_promise(gpu.GpuEngine(net, CPU)(picture, 1, 1), ReferenceEngine(net, CPU)(picture, 1, 1))


@pytest.mark.usefixtures("large_tiles")
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")  # NumPy's, in the interpreter; a GPU has none
@pytest.mark.parametrize("which", ["grade", "grade.choose.3.bias", "gate"])
def test_weights_that_overflow_are_refused(gpu: ModuleType, tiny: GradedLPTN, which: str) -> None:
    net = copy.deepcopy(tiny)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.startswith(which):
                parameter.copy_(torch.sign(parameter) * 1e38)
    engine = gpu.GpuEngine(net, CPU)
    for _ in range(2):
        with pytest.raises(InvalidPresetError):
            engine(noise(9, 20, np.uint8), 1, 1)


@pytest.mark.usefixtures("large_tiles")
def test_a_mask_says_where_and_a_result_may_take_the_pictures_place(
    gpu: ModuleType, tiny: GradedLPTN, low_span: Callable[[int], None]
) -> None:
    low_span(3)
    picture = noise(38, 43, np.uint16, 4)
    where = np.random.default_rng(0).random((38, 43), np.float32)
    where[:10] = 0
    expected = ReferenceEngine(tiny, CPU)(picture, 1, 1, where)
    result = picture.copy()
    assert gpu.GpuEngine(tiny, CPU)(result, 1, 1, where, result) is result
    agree(result, expected)
    assert np.array_equal(result[:10], picture[:10]), "bit for bit"


@pytest.mark.usefixtures("large_tiles")
def test_tensors_too(gpu: ModuleType, tiny: GradedLPTN) -> None:
    batch = planes(2, 3, 15, 22)
    result = gpu.GpuEngine(tiny, CPU).tensors(batch, 1, 1)
    torch.testing.assert_close(result, ReferenceEngine(tiny, CPU).tensors(batch, 1, 1), atol=1e-5, rtol=0)
    assert result.is_contiguous()


# What a picture gets of the look.


@pytest.mark.usefixtures("large_tiles")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "share", "strength"),
    [
        ((1, 1, 3), 0, (1, 1)),
        ((57, 41, 3), 0, (2, 2)),
        ((75, 63, 4), 0, (0.7, 1.6)),
        ((57, 41, 3), 0.5, (0, 0)),
        ((20, 31, 4), 1, (0, 0)),
    ],
)
def test_nothing_of_a_look_is_the_picture_bit_for_bit(
    gpu: ModuleType,
    tiny: GradedLPTN,
    giving: Callable[[GradedLPTN, float], GradedLPTN],
    low_span: Callable[[int], None],
    shape: tuple[int, int, int],
    share: float,
    strength: tuple[float, float],
    dtype: Any,
) -> None:
    low_span(2)
    engine = gpu.GpuEngine(giving(tiny, share), CPU)
    picture = noise(*shape[:2], dtype, shape[2])
    where = np.random.default_rng(0).random(shape[:2], np.float32)
    for mask in (None, where):
        assert np.array_equal(engine(picture, *strength, mask), picture)
    if dtype == np.float32:
        assert torch.equal(engine.tensors(unit(picture), *strength), unit(picture))


@pytest.mark.usefixtures("large_tiles")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("size", "strength"), [((1, 1), (1, 1)), ((20, 31), (0.7, 1.6)), ((57, 41), (2, 2)), ((66, 95), (1, 0))]
)
def test_a_grey_picture_stays_grey(
    gpu: ModuleType,
    tiny: GradedLPTN,
    tiny_old: GradedLPTN,
    low_span: Callable[[int], None],
    size: tuple[int, int],
    strength: tuple[float, float],
    dtype: Any,
) -> None:
    low_span(2)
    picture = noise(*size, dtype, colour=0)
    for net in (tiny, tiny_old):
        engine = gpu.GpuEngine(net, CPU)
        result = engine(picture, *strength)
        if net is tiny_old or size != (1, 1):  # which is an empty frame
            assert not np.array_equal(result, picture), "the network does something"
        assert not np.ptp(result, axis=2).any()
        if dtype == np.float32:
            red, green, blue = engine.tensors(unit(picture), *strength)[0]
            assert torch.equal(red, green) and torch.equal(green, blue)


@pytest.mark.usefixtures("large_tiles")
def test_weights_that_overflow_are_refused_by_a_picture_that_gets_nothing(
    gpu: ModuleType,
    tiny: GradedLPTN,
    giving: Callable[[GradedLPTN, float], GradedLPTN],
    low_span: Callable[[int], None],
) -> None:
    """The weights are looked at once: the next picture may get more."""
    low_span(3)
    net = giving(tiny, 0)
    with torch.no_grad():
        net.high.gain.fill_(1e30)
    with pytest.raises(InvalidPresetError):
        gpu.GpuEngine(net, CPU)(noise(38, 43, np.uint8), 1, 1)


class Stub:
    """In a workspace's place: the picture as it was, and a list of who was made."""

    made: list[tuple[Any, ...]]

    def __init__(self, _: GradedLPTN, *key: Any) -> None:
        self.made.append(key[:2])

    def retouch(self, picture: Tensor, where: Tensor | None) -> tuple[Tensor, Tensor]:
        del where
        return picture.clone(), torch.ones(1, 1, 1, 1)


def test_few_workspaces_are_kept_and_the_last_used_longest(
    gpu: ModuleType, tiny: GradedLPTN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "Workspace", Stub)
    monkeypatch.setattr(Stub, "made", [], raising=False)
    engine = gpu.GpuEngine(tiny, CPU)
    for side in (200, 201, 200, 202, 203, 204, 200, 201):
        engine(np.zeros((side, 200, 3), np.uint8), 1, 1)
    assert [key[0] for key in Stub.made] == [200, 201, 202, 203, 204, 201]


def test_a_stream_is_in_order_and_takes_no_more_than_it_needs(
    gpu: ModuleType, tiny: GradedLPTN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "Workspace", Stub)
    monkeypatch.setattr(Stub, "made", [], raising=False)
    pictures = [noise(200 + 9 * i, 230, np.uint8, seed=i) for i in range(6)]
    taken: list[int] = []

    def read() -> Iterator[np.ndarray]:
        for i, picture in enumerate(pictures):
            taken.append(i)
            yield picture

    engine = gpu.GpuEngine(tiny, CPU)
    for turn, result in enumerate(engine.stream(read(), 1, 1)):
        assert len(taken) <= turn + 3
        assert np.array_equal(result, pictures[turn])
    assert len(taken) == turn + 1 == 6


# Whether it can run.


def test_without_triton_there_is_a_reason(monkeypatch: pytest.MonkeyPatch, one_sentence: Sentence) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    with imported_anew() as module:
        assert "Triton" in one_sentence(module.obstacle(CPU))


@needs_triton
def test_where_kernels_do_not_run_there_is_a_reason(monkeypatch: pytest.MonkeyPatch, one_sentence: Sentence) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with imported_anew() as module:
        assert "'cpu'" in one_sentence(module.obstacle(CPU))


def test_interpreted_it_can_run(gpu: ModuleType) -> None:
    assert gpu.obstacle(CPU) is None


class FromHost(TorchDispatchMode):
    """Notes the operations by which numbers of Python's become a tensor, or a tensor's become Python's."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func.overloadpacket in (torch.ops.aten.lift_fresh, torch.ops.aten._local_scalar_dense):
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_what_is_recorded_has_nothing_from_the_host(tiny: GradedLPTN, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy from the host cannot be part of a CUDA graph; each launch would then be made anew."""
    # a GPU's thumbnail is sorted there; of a thumbnail on the CPU, as here, NumPy would do it
    monkeypatch.setattr("lptn_retouch.model.glance._sorted", lambda rows: rows.sort(dim=-1).values)
    with torch.no_grad(), FromHost() as mode:
        graded_and_translated(tiny, planes(1, 3, 400, 600), 6, 0.7, 1.6)
    assert mode.seen == []


SIZES = ("height", "width", "coarse", "field_height", "doublings", "field_doublings")


@needs_triton
def test_kernels_compile_where_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter takes what a compiler does not."""
    from triton import compile as compiled
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    constants = {"channels": 4, "rows": 4, "taps": 7, "partly": True}
    with imported_anew():
        kernels = sys.modules["lptn_retouch.engine.triton_kernels"]
        for kernel, picture, out in (
            (kernels._shrink_down, "*u8", "*fp32"),
            (kernels._shrink_across, None, "*fp32"),
            (kernels._grade_level, None, "*fp32"),
            (kernels._enlarge_across, None, "*fp32"),
            (kernels._finish, "*u8", "*u8"),
        ):
            names = kernel.arg_names
            sorts = dict.fromkeys(SIZES, "i32") | {"strength": "fp32", "picture": picture, "out": out}
            signature = {name: "constexpr" if name in constants else sorts.get(name, "*fp32") for name in names}
            given = {(names.index(name),): constants[name] for name in names if name in constants}
            source = ASTSource(kernel, signature=signature, constexprs=given)
            done = compiled(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": True})
            assert "st.global" in done.asm["ptx"]
            assert "shared" not in done.asm["ptx"].partition("{")[2], "a thread keeps what is its own in registers"


# On a GPU.


@pytest.fixture
def engine(tiny: GradedLPTN) -> Any:
    """The engine on a GPU."""
    from lptn_retouch.engine.gpu import GpuEngine, obstacle

    device = torch.device("cuda")
    assert obstacle(device) is None
    return GpuEngine(copy.deepcopy(tiny).to(device), device)


@needs_gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(9, 20, 3), (193, 257, 4), (1000, 37, 3), (803, 1199, 3), (1601, 2400, 4)])
def test_on_a_gpu_it_is_the_same_as_in_torch_also_when_recorded(
    engine: Any, tiny: GradedLPTN, shape: tuple[int, int, int], dtype: Any
) -> None:
    before, picture = (noise(*shape[:2], dtype, shape[2], seed=seed) for seed in (0, 1))
    for strength in [(1, 1), (0.5, 1), (2, 2), (1, 0), (0, 1), (0.7, 1.6)]:
        engine(before, *strength)  # plainly; the next makes a recording, which must do for other pictures too
        recorded = [engine(picture, *strength) for _ in range(3)]
        agree(recorded[0], telescoped(tiny, picture, *strength))
        assert all(np.array_equal(result, recorded[0]) for result in recorded)
        workspace = list(engine._workspaces.values())[-1]
        assert workspace._translating._graph is not None, "so each launch was made anew"


@needs_gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_on_a_gpu_grey_stays_grey_and_nothing_of_a_look_is_nothing(
    engine: Any, tiny: GradedLPTN, giving: Callable[[GradedLPTN, float], GradedLPTN], dtype: Any
) -> None:
    grey, picture = noise(803, 1199, dtype, colour=0), noise(803, 1199, dtype, seed=1)
    engine._net = giving(tiny, 0).to(engine.device)
    for _ in range(3):  # the last two are recorded
        assert np.array_equal(engine(picture, 1, 0.7), picture)
    engine._net = copy.deepcopy(tiny).to(engine.device)
    for _ in range(3):
        result = engine(grey, 0.7, 1.6)
        assert not np.array_equal(result, grey)
        assert not np.ptp(result, axis=2).any()


@needs_gpu
def test_on_a_gpu_a_stream_is_in_order_and_the_same(engine: Any) -> None:
    pictures = [noise(700 + i % 3, 900, np.uint16, seed=i) for i in range(12)]
    for picture, result in zip(pictures, engine.stream(iter(pictures), 1, 1), strict=True):
        assert np.array_equal(result, engine(picture, 1, 1))


@needs_gpu
def test_on_a_gpu_tensors_stay_there_on_any_stream(engine: Any) -> None:
    pictures = [noise(700, 900 + i % 2, np.uint8, 4, seed=i) for i in range(8)]
    expected = [engine(picture, 1, 1) for picture in pictures]
    results = []
    for picture in pictures:
        with torch.cuda.stream(torch.cuda.Stream()):
            given = torch.from_numpy(picture).cuda(non_blocking=True)
            result = engine.on_device(given, 1, 1)
            assert result.is_cuda
            results.append(result.cpu().numpy())
    assert all(np.array_equal(a, b) for a, b in zip(results, expected, strict=True))


@needs_gpu
def test_on_a_gpu_threads_do_not_disturb_each_other(engine: Any) -> None:
    pictures = [noise(600 + 50 * i, 800, np.uint8, seed=i) for i in range(6)]  # more sizes than are kept
    expected = [engine(picture, 1, 1) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for result, picture in zip(pool.map(lambda p: engine(p, 1, 1), pictures * 5), expected * 5, strict=True):
            assert np.array_equal(result, picture)
