"""The GPU engine against the torch reference: by Triton's interpreter where there is no GPU, and on one where there is.

The interpreter needs the same time for an operation however large the tile, so whole pictures are done in larger tiles
than on a GPU; that the engine's own tiles meet without a seam is tested on the kernels.
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
from lptn_retouch.engine.plan import FULL_SCALE, level_sizes
from lptn_retouch.engine.reference import ReferenceEngine
from lptn_retouch.errors import InvalidPresetError, UsageError
from lptn_retouch.model.form import depth_for
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.model.pyramid import LaplacianPyramid, enlarge

Sentence = Callable[[object], str]
SAMPLES = Path(__file__).resolve().parent.parent / "samples"
CPU = torch.device("cpu")
DTYPES = (np.uint8, np.uint16, np.float32)
# What the project promises of every engine is 1, 16 and 2e-4, for 99.9 % of the samples.
APART = {np.dtype(np.uint8): 1, np.dtype(np.uint16): 2, np.dtype(np.float32): 1e-5}
OURS = ("triton_kernels", "gpu_workspace", "gpu")

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
    pytest.importorskip("triton", reason="Triton is not installed")
    from triton.runtime.interpreter import InterpretedFunction

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    # A function called by a kernel would prepare all of triton.language once more, which is most of the time.
    monkeypatch.setattr(InterpretedFunction, "__call__", lambda self, *args, **named: self.rewrite()(*args, **named))
    with imported_anew() as module:
        yield module


@pytest.fixture
def kernels(gpu: ModuleType) -> ModuleType:
    return sys.modules[gpu.__name__.replace("gpu", "triton_kernels")]


@pytest.fixture
def large_tiles(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = {"_SAMPLES": 4096, "_STRIPS": 64, "_STRIP": 2, "_COLUMNS": 256}
    tiles |= {"_QUADS": 128 * 128, "_WIDE": 128, "_CELL": 1 << 20}
    for name, value in tiles.items():
        assert hasattr(kernels, name)
        monkeypatch.setattr(kernels, name, value)


def noise(height: int, width: int, dtype: Any, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Soft colours under hard noise: every level of the pyramid has something to say."""
    rng = np.random.default_rng(seed)
    soft = np.kron(rng.random((height // 16 + 1, width // 16 + 1, channels)), np.ones((16, 16, 1)))[:height, :width]
    picture = 0.8 * soft + 0.2 * rng.random((height, width, channels))
    return (picture * FULL_SCALE[np.dtype(dtype)]).astype(dtype)


def planes(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def agree(result: np.ndarray, expected: np.ndarray) -> None:
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    apart = np.abs(result.astype(np.float64) - expected.astype(np.float64))
    assert apart.max() <= APART[result.dtype], (apart.max(), (apart > 0).mean())


# The tables are the pyramid's filters.


@needs_triton
@settings(deadline=None)
@given(st.integers(1, 70), st.integers(0, 2**31))
def test_doubling_is_the_pyramids(coarse: int, seed: int) -> None:
    from lptn_retouch.engine.gpu_workspace import doubling

    level = planes(coarse, seed=seed)
    around = level[(torch.arange(coarse)[:, None] + torch.arange(-2, 3)).clamp(0, coarse - 1)]  # (n, 5)
    doubled = (doubling(coarse) * around[:, None]).sum(2).flatten()
    up = LaplacianPyramid(1).up(level.view(1, 1, -1, 1).expand(-1, -1, -1, 3), (2 * coarse, 3))[0, 0, :, 1]
    torch.testing.assert_close(doubled, up, atol=1e-6, rtol=0)


@needs_triton
@settings(deadline=None, max_examples=200)
@given(st.integers(1, 3000), st.integers(1, 7), st.integers(0, 2**31))
def test_cells_and_their_neighbours_are_all_the_doublings_at_once(finest: int, depth: int, seed: int) -> None:
    from lptn_retouch.engine.gpu_workspace import in_cells

    sizes = tuple(size[0] for size in level_sizes(finest, 1, depth))[::-1]
    field = planes(sizes[0], seed=seed)
    stepwise = field.view(1, 1, -1, 1)
    for size in sizes[1:]:
        stepwise = enlarge(stepwise, (size, 1))
    around = (torch.arange(finest) // 2**depth + torch.arange(-1, 2)[:, None]).clamp(0, sizes[0] - 1)  # (3, n)
    torch.testing.assert_close((in_cells(sizes) * field[around]).sum(0), stepwise[0, 0, :, 0], atol=1e-6, rtol=0)


# The kernels, in the engine's own tiles.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(197, 41, 4), (7, 701, 3)])
def test_averaging_is_adaptive_average_pooling(kernels: ModuleType, shape: tuple[int, int, int], dtype: Any) -> None:
    picture = noise(*shape[:2], dtype, shape[2])
    out = torch.full((3, 96, shape[1]), torch.nan)
    kernels.average_rows(torch.from_numpy(picture), out)
    scaled = torch.from_numpy(picture[..., :3].astype(np.float64) / FULL_SCALE[picture.dtype]).permute(2, 0, 1)
    torch.testing.assert_close(out, F.adaptive_avg_pool2d(scaled, (96, shape[1])).float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (3, 5), (5, 1), (70, 33), (37, 301)])
def test_halving_is_the_pyramids(kernels: ModuleType, size: tuple[int, int]) -> None:
    level = planes(3, *size)
    half = torch.full((3, *((n + 1) // 2 for n in size)), torch.nan)
    kernels.halve(level, None, half)
    torch.testing.assert_close(half[None], LaplacianPyramid(1).down(level[None]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_picture_is_graded_and_halved(kernels: ModuleType, tiny: GradedLPTN, dtype: Any) -> None:
    picture = noise(21, 37, dtype, 4)
    scaled = torch.from_numpy(picture[..., :3].astype(np.float64) / FULL_SCALE[picture.dtype]).permute(2, 0, 1).float()
    half = torch.full((3, 11, 19), torch.nan)
    with torch.no_grad():
        kernels.halve(torch.from_numpy(picture), tiny.grade.coefficients(scaled[None])[0], half)
        graded = tiny.grade(scaled[None])
    assert (graded - scaled).abs().mean() > 0.01, "the grade must do something for this to mean it"
    torch.testing.assert_close(half[None], LaplacianPyramid(1).down(graded), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("height", "width", "above", "masked"),
    [(39, 141, 1, True), (41, 70, 3, True), (45, 61, 4, False), (97, 65, 5, False), (70, 150, 6, True)],
)
def test_a_level_is_translated(kernels: ModuleType, height: int, width: int, above: int, masked: bool) -> None:
    from lptn_retouch.engine.gpu_workspace import doubling, in_cells

    sizes = level_sizes(height, width, above)
    fine, level, result = planes(3, height, width), planes(3, *sizes[1], seed=1), planes(3, *sizes[1], seed=2)
    matrices, mask = planes(9, *sizes[-1], seed=3), planes(3, height, width, seed=4) if masked else None
    down, across = (in_cells(tuple(size[axis] for size in sizes[::-1])) for axis in (0, 1))
    out = torch.full_like(fine, torch.nan)
    below = kernels.Below(level, result, doubling(sizes[1][0]), doubling(sizes[1][1]))
    kernels.translate(fine, None, below, kernels.Field(matrices, down, across, 2**above, mask), 0, None, out)

    pyramid, field = LaplacianPyramid(1), matrices[None]
    for size in sizes[-2::-1]:
        field = enlarge(field, size)
    columns = field.view(3, 3, height, width)  # (column, row, H, W)
    high = fine - pyramid.up(level[None], sizes[0])[0]
    expected = pyramid.up(result[None], sizes[0])[0] + torch.einsum("krhw,khw->rhw", columns, high)
    torch.testing.assert_close(out, expected + mask * high if mask is not None else expected, atol=2e-6, rtol=0)


# The engine is the reference.


@pytest.mark.usefixtures("large_tiles")
@pytest.mark.parametrize(
    ("shape", "dtype", "strength"),
    [
        ((193, 257, 3), np.uint8, (1, 1)),
        ((200, 301, 4), np.uint16, (0.5, 1)),
        ((1003, 37, 3), np.float32, (2, 2)),
        ((192, 192, 4), np.float32, (0.7, 1.6)),
        ((257, 193, 3), np.uint16, (1, 0)),
        ((37, 1000, 4), np.uint8, (0, 1)),
    ],
)
def test_it_is_the_reference(
    gpu: ModuleType, tiny: GradedLPTN, shape: tuple[int, int, int], dtype: Any, strength: tuple[float, float]
) -> None:
    assert depth_for(*shape[:2]) >= 2, "or the reference would be compared with itself"
    picture = noise(*shape[:2], dtype, shape[2])
    picture.flags.writeable = False
    result = gpu.GpuEngine(tiny, CPU)(picture, *strength)
    agree(result, ReferenceEngine(tiny, CPU)(picture, *strength))
    assert np.array_equal(result[..., 3:], picture[..., 3:])


@pytest.mark.usefixtures("large_tiles")
@pytest.mark.parametrize("which", ["grade", "grade.choose.3.bias"])
def test_weights_that_overflow_are_refused(gpu: ModuleType, tiny: GradedLPTN, which: str) -> None:
    net = copy.deepcopy(tiny)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.startswith(which):
                parameter.copy_(torch.sign(parameter) * 1e38)
    engine = gpu.GpuEngine(net, CPU)
    for _ in range(2):
        with pytest.raises(InvalidPresetError):
            engine(noise(193, 200, np.uint8), 1, 1)


@pytest.mark.usefixtures("large_tiles")
@pytest.mark.parametrize(
    ("name", "dtype", "strength"),
    [("lake-sherburne.jpg", np.uint8, (1, 1)), ("oakland-zoo-otters.jpg", np.float32, (0.7, 1.6))],
)
def test_it_is_the_reference_on_photographs(
    gpu: ModuleType, name: str, dtype: Any, strength: tuple[float, float]
) -> None:
    net = load_preset("retouch").network
    pixels = np.asarray(Image.open(SAMPLES / name).convert("RGB").resize((301, 201)))
    picture = pixels if dtype == np.uint8 else pixels.astype(np.float32) / np.float32(255)
    agree(gpu.GpuEngine(net, CPU)(picture, *strength), ReferenceEngine(net, CPU)(picture, *strength))


@pytest.mark.usefixtures("large_tiles")
@pytest.mark.parametrize(("span", "dtype", "strength"), [(12, np.uint8, (1, 1)), (6, np.float32, (2, 0.3))])
def test_it_is_the_reference_on_deep_pyramids(
    gpu: ModuleType,
    tiny: GradedLPTN,
    monkeypatch: pytest.MonkeyPatch,
    span: int,
    dtype: Any,
    strength: tuple[float, float],
) -> None:
    """With a smaller low band a small picture has the levels of a large one, without a mask at the finest."""
    monkeypatch.setattr("lptn_retouch.model.graded.LOW_SPAN", span)
    assert depth_for(201, 239) > 3
    picture = noise(201, 239, dtype)
    agree(gpu.GpuEngine(tiny, CPU)(picture, *strength), ReferenceEngine(tiny, CPU)(picture, *strength))


@pytest.mark.usefixtures("large_tiles")
def test_a_mask_says_where_and_a_result_may_take_the_pictures_place(gpu: ModuleType, tiny: GradedLPTN) -> None:
    picture = noise(194, 193, np.uint16, 4)
    where = np.random.default_rng(0).random((194, 193), np.float32)
    where[:60] = 0
    expected = ReferenceEngine(tiny, CPU)(picture, 1, 1, where)
    result = picture.copy()
    assert gpu.GpuEngine(tiny, CPU)(result, 1, 1, where, result) is result
    agree(result, expected)
    assert np.array_equal(result[:60], picture[:60]), "bit for bit"


@pytest.mark.usefixtures("large_tiles")
def test_tensors_too(gpu: ModuleType, tiny: GradedLPTN) -> None:
    batch = planes(1, 3, 192, 193)
    engine = gpu.GpuEngine(tiny, CPU)
    result = engine.tensors(batch, 1, 1)
    torch.testing.assert_close(result, ReferenceEngine(tiny, CPU).tensors(batch, 1, 1), atol=1e-5, rtol=0)
    assert result.is_contiguous()
    small = planes(2, 3, 20, 30)
    assert torch.equal(engine.tensors(small, 1, 1), ReferenceEngine(tiny, CPU).tensors(small, 1, 1))
    with pytest.raises(UsageError, match="too small"):
        engine.on_device(small[0].permute(1, 2, 0), 1, 1)


class Stub:
    """In a workspace's place: the picture as it was, and a list of who was made."""

    made: list[tuple[Any, ...]]

    def __init__(self, _: GradedLPTN, *key: Any) -> None:
        self.made.append(key[:2])

    def retouch(self, picture: Tensor, where: Tensor | None) -> Tensor:
        del where
        return picture.clone()


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
    pictures = [noise(200 + 9 * i, 230, np.uint8, seed=i) for i in range(6)] + [noise(20, 30, np.uint8)]
    taken: list[int] = []

    def read() -> Iterator[np.ndarray]:
        for i, picture in enumerate(pictures):
            taken.append(i)
            yield picture

    engine = gpu.GpuEngine(tiny, CPU)
    for turn, result in enumerate(engine.stream(read(), 1, 1)):
        assert len(taken) <= turn + 3
        expected = pictures[turn] if turn < 6 else ReferenceEngine(tiny, CPU)(pictures[turn], 1, 1)
        assert np.array_equal(result, expected)
    assert len(taken) == turn + 1 == 7


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


@pytest.mark.parametrize("part", ["grade", "coarse"])
def test_what_is_recorded_has_nothing_from_the_host(
    tiny: GradedLPTN, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy from the host cannot be part of a CUDA graph; each launch would then be made anew."""
    from lptn_retouch.engine.coarse import translate_coarse

    # a GPU's thumbnail is sorted there; of a thumbnail on the CPU, as here, NumPy would do it
    monkeypatch.setattr("lptn_retouch.model.graded._sorted", lambda rows: rows.sort(dim=-1).values)
    sizes = level_sizes(200, 300, 2)
    with torch.no_grad(), FromHost() as mode:
        if part == "grade":
            tiny.grade.choose_curve(F.adaptive_avg_pool2d(planes(1, 3, 96, 300), 96))
        else:
            low, coarsest = planes(1, 3, *sizes[2]), planes(1, 3, *sizes[1])
            translate_coarse(tiny, low, coarsest, low, sizes, 0.7, 1.6)
    assert mode.seen == []


SIZES = ("height", "width", "below_height", "below_width", "field_height", "field_width", "cell")


@needs_triton
def test_kernels_compile_where_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter takes what a compiler does not."""
    from triton import compile as compiled
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    tile = {"high": 4, "wide": 4, "strips": 1, "strip": 16, "columns": 128, "bins": 96, "samples": 256}
    tile |= {"one_cell": False, "masked": True, "partly": True}
    with imported_anew():
        kernels = sys.modules["lptn_retouch.engine.triton_kernels"]
        for kernel, channels, picture, out in (
            (kernels._average_rows, 3, "*u16", "*fp32"),
            (kernels._halve, 3, "*u8", "*fp16"),
            (kernels._halve, 0, "*fp16", "*fp32"),
            (kernels._translate, 4, "*u8", "*u8"),
        ):
            names, constants = kernel.arg_names, tile | {"channels": channels}
            sorts = dict.fromkeys(SIZES, "i32") | {"rest": "fp32", "picture": picture, "fine": picture, "out": out}
            signature = {name: "constexpr" if name in constants else sorts.get(name, "*fp32") for name in names}
            given = {(names.index(name),): constants[name] for name in names if name in constants}
            source = ASTSource(kernel, signature=signature, constexprs=given)
            done = compiled(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": True})
            assert "st.global" in done.asm["ptx"]


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
@pytest.mark.parametrize("shape", [(193, 257, 4), (1000, 37, 3), (803, 1199, 3), (1601, 2400, 4)])
def test_on_a_gpu_it_is_the_reference_also_when_recorded(
    engine: Any, tiny: GradedLPTN, shape: tuple[int, int, int], dtype: Any
) -> None:
    before, picture = (noise(*shape[:2], dtype, shape[2], seed=seed) for seed in (0, 1))
    for strength in [(1, 1), (0.5, 1), (2, 2), (1, 0), (0, 1), (0.7, 1.6)]:
        engine(before, *strength)  # plainly; the next makes a recording, which must do for other pictures too
        recorded = [engine(picture, *strength) for _ in range(3)]
        agree(recorded[0], ReferenceEngine(tiny, CPU)(picture, *strength))
        assert all(np.array_equal(result, recorded[0]) for result in recorded)
        workspace = list(engine._workspaces.values())[-1]
        assert workspace._choosing._graph is not None, "so each launch was made anew"
        assert workspace._translating._graph is not None


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
