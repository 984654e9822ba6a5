"""Pictures of any kind in, the same kind out: where formats and engine meet."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from lptn_retouch.arguments import check_floats, check_limit, is_tensor, weight
from lptn_retouch.color import from_srgb, read_profile, to_srgb
from lptn_retouch.engine.choose import Engine, choose_engine
from lptn_retouch.engine.plan import FULL_SCALE
from lptn_retouch.engine.retouched import Retouched
from lptn_retouch.engine.stack import StackEngine
from lptn_retouch.errors import InvalidPresetError, UsageError, shown
from lptn_retouch.kinds import Array, ImageOrTensor, MaskLike, PhotoLike, PresetLike
from lptn_retouch.mask import Mask, open_mask
from lptn_retouch.memory import check_memory
from lptn_retouch.metadata.recipe import Recipe, Step
from lptn_retouch.opening import open_fitting
from lptn_retouch.photo import Photo
from lptn_retouch.picture.hidden import filled, hidden_in
from lptn_retouch.picture.samples import made_grey
from lptn_retouch.preset import Preset, load_preset
from lptn_retouch.remarks import kept_grey, left_alone
from lptn_retouch.stack import check_strengths, stack_name, steps_of

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor

_log = logging.getLogger("lptn_retouch")
_END = object()  # of an iterable


class Retoucher:
    """A preset, loaded once and applied many times; safe to call from several threads.

    Args:
        preset: the name of an installed preset, the path of one, or a loaded one. A list of them is a stack, applied
            from first to last with nothing rounded to 8 bits between; ``("winter", 0.6)`` in it says how strong one
            is, from 0 to 2, colour and detail alike. `amount` and `detail` of a call scale every preset of the stack.
        device: "auto", "cpu", "cuda", "mps", ...; "reference" for plain torch, which the others are measured against.
        memory_limit: bytes that a picture may take while it is retouched; None for what the machine has. What needs
            more is refused before any work; a file, before it is decoded.

    Raises:
        PresetError: the preset is not there or not sound.
        UsageError: there is no such device, or the limit is no number of bytes.

    Example:
        >>> retoucher = Retoucher("retouch")
        >>> retoucher(np.full((40, 60, 3), 90, np.uint8)).shape
        (40, 60, 3)
        >>> Retoucher(["retouch", ("winter", 0.6)]).name
        'retouch-winter'
    """

    def __init__(
        self,
        preset: PresetLike = "retouch",
        device: str = "auto",
        *,
        memory_limit: int | None = None,
    ) -> None:
        check_limit(memory_limit)
        self.steps: tuple[tuple[Preset, float], ...] = tuple(
            (step if isinstance(step, Preset) else load_preset(step), strength) for step, strength in steps_of(preset)
        )
        self._engine = self._engine_on(device)
        self.memory_limit = memory_limit

    @property
    def preset(self) -> Preset:
        """The preset; of a stack, the first."""
        return self.steps[0][0]

    @property
    def name(self) -> str:
        """The preset's name; of a stack, all of them."""
        return stack_name(self.steps)

    @property
    def device(self) -> torch.device:
        """Where the work is done."""
        import torch

        return torch.device(self._engine.device)

    @property
    def engine(self) -> str:
        """What does the work: "cpu", "gpu", "reference", which is plain torch, or "stack" for several presets."""
        return self._engine.name

    def _engine_on(self, device: str) -> Engine:
        if len(self.steps) == 1 and self.steps[0][1] == 1:
            return choose_engine(self.preset, device)
        return StackEngine([(choose_engine(preset, device), strength) for preset, strength in self.steps])

    @overload
    def __call__(
        self, image: PhotoLike, *, amount: float = 1.0, detail: float = 1.0, mask: MaskLike = None
    ) -> Photo: ...
    @overload
    def __call__(self, image: Array, *, amount: float = 1.0, detail: float = 1.0, mask: MaskLike = None) -> Array: ...
    @overload
    def __call__(
        self, image: ImageOrTensor, *, amount: float = 1.0, detail: float = 1.0, mask: MaskLike = None
    ) -> ImageOrTensor: ...
    def __call__(self, image: Any, *, amount: float = 1.0, detail: float = 1.0, mask: MaskLike = None) -> Any:
        """Retouch one picture; arguments as :func:`retouch`."""
        amount, detail = check_strengths(self.steps, amount, detail)
        if isinstance(mask, str | os.PathLike):
            mask = open_mask(mask)
        if isinstance(image, str | os.PathLike):
            return self._photo(self.open(image), amount, detail, mask, ours=True)
        if isinstance(image, Photo):
            return self._photo(image, amount, detail, mask)
        if is_tensor(image):
            return self._tensor(image, amount, detail, mask)
        if isinstance(image, np.ndarray):
            return self._pixels(image, amount, detail, mask).pixels
        if type(image).__module__.startswith("PIL."):
            return self._pillow(image, amount, detail, mask)
        raise UsageError(
            f"a {type(image).__name__} is no picture; give a path, Photo, PIL image, NumPy array or torch tensor."
        )

    @overload
    def map(self, images: Iterable[PhotoLike], *, amount: float = 1.0, detail: float = 1.0) -> Iterator[Photo]: ...
    @overload
    def map(self, images: Iterable[Array], *, amount: float = 1.0, detail: float = 1.0) -> Iterator[Array]: ...
    @overload
    def map(
        self, images: Iterable[ImageOrTensor], *, amount: float = 1.0, detail: float = 1.0
    ) -> Iterator[ImageOrTensor]: ...
    def map(self, images: Iterable[Any], *, amount: float = 1.0, detail: float = 1.0) -> Iterator[Any]:
        """Retouch pictures one after the other, faster than in a loop.

        While you save one result, the next picture is retouched; while you wait for that, the one after it is opened.
        Each has a thread of its own, and at most three pictures are held at a time: yours, one in work, one opened.

        Args:
            images: as :func:`retouch` takes them, files above all; an endless iterable is fine.

        Yields:
            The results, in order. A picture's error is raised at its turn, and ends it.

        Raises:
            UsageError: at once, where it is not given pictures one after the other, or a strength is out of range.

        Example:
            >>> greys = (np.full((40, 60, 3), level, np.uint8) for level in (60, 120, 180))
            >>> [result.shape for result in Retoucher("retouch").map(greys)]
            [(40, 60, 3), (40, 60, 3), (40, 60, 3)]
        """
        amount, detail = check_strengths(self.steps, amount, detail)
        if isinstance(images, str) or not hasattr(images, "__iter__"):
            raise UsageError(f"map takes pictures one after the other, a list for example, no {type(images).__name__}.")
        return self._map(iter(images), amount, detail)

    def _map(self, upcoming: Iterator[Any], amount: float, detail: float) -> Iterator[Any]:
        def read() -> tuple[Any, bool]:
            image = next(upcoming, _END)
            if isinstance(image, str | os.PathLike):
                return self.open(image), True
            return image, False

        def work(reading: Future[tuple[Any, bool]]) -> Any:
            image, ours = reading.result()
            if ours:
                return self._photo(image, amount, detail, None, ours=True)
            return image if image is _END else self(image, amount=amount, detail=detail)

        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as worker:
            result = worker.submit(work, reader.submit(read))
            while True:
                following = reader.submit(read)
                if (finished := result.result()) is _END:
                    return
                result = worker.submit(work, following)
                yield finished
                del finished

    def open(self, path: str | os.PathLike[str]) -> Photo:
        """Open a file, unless it is larger than what can be retouched.

        Raises:
            PhotoError: it cannot be opened.
            TooLargeError: it needs more memory than there is, or than `memory_limit`.
        """

        def fits(width: int, height: int, dtype: str) -> None:
            self._check_memory(height, width, dtype, pictures=1)

        return open_fitting(path, fits)

    def using_up(self, photo: Photo, *, amount: float = 1.0, detail: float = 1.0, mask: MaskLike = None) -> Photo:
        """Retouch a photo from :meth:`open` in its own memory: the one given shows the result as well from then on."""
        amount, detail = check_strengths(self.steps, amount, detail)
        return self._photo(photo, amount, detail, mask, ours=True)

    def _photo(self, photo: Photo, amount: float, detail: float, mask: Any, *, ours: bool = False) -> Photo:
        """Retouch a photo; in place if it is `ours`, opened here and held by nobody else."""
        pixels, shares = self._in_space(photo.pixels, photo.metadata.icc, amount, detail, mask, ours=ours)
        acting = (preset.name for preset, strength in self.steps if strength > 0)
        remarks = [remark for name, share in zip(acting, shares, strict=False) for remark in left_alone(name, share)]
        if photo.source.grey and not amount == detail == 0 and made_grey(pixels):
            remarks.append(kept_grey(self.name))
        recipe = self._recipe(photo, amount, detail, mask)
        return replace(photo, pixels=pixels, recipe=recipe, notices=(*photo.notices, *remarks))

    def _in_space(
        self, pixels: np.ndarray, icc: bytes | None, amount: float, detail: float, mask: Any, *, ours: bool = False
    ) -> Retouched:
        """Retouch an array whose numbers mean what an ICC profile says; in place if it is `ours`.

        The networks know sRGB, so that is what they are shown; what goes back is the change they make, and colours
        outside sRGB stay there.
        """
        space, _ = read_profile(icc)
        if space.is_srgb or amount == detail == 0:
            return self._pixels(pixels, amount, detail, mask, ours=ours)
        if pixels.dtype == np.float32:
            check_floats(pixels)
        shown_type = np.float32 if pixels.dtype == np.float32 else np.uint16
        self._check_memory(pixels.shape[0], pixels.shape[1], shown_type, pictures=2)
        retouched, shares = self._pixels(to_srgb(pixels, space), amount, detail, mask, ours=True)
        return Retouched(from_srgb(pixels, retouched, space, _writable(pixels) if ours else None), shares)

    def _recipe(self, photo: Photo, amount: float, detail: float, mask: Any) -> Recipe:
        """What repeats this retouch; of a photo changed since it was opened nothing does, so no source is named."""
        known = photo.recipe is None and photo.source.sha256 is not None
        first, *then = (Step(p.name, p.header["version"], p.sha256, strength) for p, strength in self.steps)
        altered = dict.fromkeys(preset.alters for preset, _ in self.steps if preset.alters)
        return Recipe(
            preset=first.preset,
            preset_version=first.preset_version,
            weights_sha256=first.weights_sha256,
            amount=amount,
            detail=detail,
            masked=mask is not None,
            source_name=photo.source.path.name if known and photo.source.path else "",
            source_sha256=photo.source.sha256 or "" if known else "",
            alters=", ".join(altered),
            strength=first.strength,
            then=tuple(then),
            mask_name=mask.name if isinstance(mask, Mask) else "",
            mask_sha256=mask.sha256 if isinstance(mask, Mask) else "",
        )

    def _check_memory(self, height: int, width: int, dtype: npt.DTypeLike, pictures: int = 2) -> None:
        """Refuse a picture there is no room for; `pictures` is 1 where the result takes its place."""
        picture = 4 * height * width * np.dtype(dtype).itemsize  # 3 channels, and room for a JPEG or alpha
        needed = pictures * picture + self._engine.memory(height, width, dtype)
        check_memory(height * width, needed, self.memory_limit)

    def _tensor(self, image: Tensor, amount: float, detail: float, mask: Any) -> Tensor:
        from lptn_retouch.tensors import check_tensor, retouch_tensor

        check_tensor(image)
        image = image.detach()
        weights = _weight(mask, image.shape[-2:])
        if amount == 0 and detail == 0:
            return image.clone()
        self._check_memory(image.numel() // (3 * image.shape[-1]), image.shape[-1], np.float32)
        check_floats(image)
        with self._blamed():
            return retouch_tensor(self._engine, image, amount, detail, weights)

    def _pixels(self, pixels: np.ndarray, amount: float, detail: float, mask: Any, *, ours: bool = False) -> Retouched:
        """Retouch an array; in place if it is `ours`, held by nobody else."""
        full = FULL_SCALE.get(pixels.dtype)
        if full is None or pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or pixels.size == 0:
            raise UsageError(
                "an array picture is (H, W, 3) or (H, W, 4) of uint8, uint16 or float32, not "
                f"{pixels.shape} {pixels.dtype}."
            )
        weights = _weight(mask, pixels.shape[:2])
        if amount == 0 and detail == 0:
            return Retouched(pixels if ours else pixels.copy())
        hidden = hidden_in(pixels)
        self._check_memory(pixels.shape[0], pixels.shape[1], pixels.dtype, pictures=1 if ours and hidden is None else 2)
        if full == 1:
            check_floats(pixels)
        if hidden is not None:
            result = self._visible(filled(pixels, hidden), amount, detail, weights, ours=True)
            result.pixels[hidden] = pixels[hidden]
            return result
        return self._visible(pixels, amount, detail, weights, ours=ours)

    def _visible(
        self, pixels: np.ndarray, amount: float, detail: float, where: np.ndarray | None, *, ours: bool
    ) -> Retouched:
        """Retouch an array, all of which the network may see."""
        out = _writable(pixels) if ours else None
        with self._blamed():
            try:
                return self._engine.retouch(pixels, amount, detail, where, out)
            except _out_of_memory():  # of a GPU, which has less than the machine; nothing is written by then
                if self.device.type == "cpu":
                    raise
            _log.warning("lptn_retouch: the picture does not fit on %s, so the CPU does the work.", self.device)
            return self._engine_on("cpu").retouch(pixels, amount, detail, where, out)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """An engine knows a network; the user knows the preset it is from."""
        try:
            yield
        except InvalidPresetError as error:
            raise InvalidPresetError(f"the preset {shown(self.name)}: {error}") from None

    def _pillow(self, image: Image, amount: float, detail: float, mask: Any) -> Image:
        from lptn_retouch.pil import array_of, like, load

        load(image)
        if amount == 0 and detail == 0:
            _weight(mask, (image.height, image.width))
            return image.copy()
        found = self._in_space(array_of(image), image.info.get("icc_profile"), amount, detail, mask)
        return like(image, found.pixels)


@overload
def retouch(
    image: PhotoLike,
    preset: PresetLike = "retouch",
    *,
    amount: float = 1.0,
    detail: float = 1.0,
    mask: MaskLike = None,
    device: str = "auto",
) -> Photo: ...
@overload
def retouch(
    image: Array,
    preset: PresetLike = "retouch",
    *,
    amount: float = 1.0,
    detail: float = 1.0,
    mask: MaskLike = None,
    device: str = "auto",
) -> Array: ...
@overload
def retouch(
    image: ImageOrTensor,
    preset: PresetLike = "retouch",
    *,
    amount: float = 1.0,
    detail: float = 1.0,
    mask: MaskLike = None,
    device: str = "auto",
) -> ImageOrTensor: ...
def retouch(
    image: Any,
    preset: PresetLike = "retouch",
    *,
    amount: float = 1.0,
    detail: float = 1.0,
    mask: MaskLike = None,
    device: str = "auto",
) -> Any:
    """Retouch one picture with a preset.

    Args:
        image: a path, a :class:`Photo`, a PIL image, an array (H, W, 3) or (H, W, 4) of uint8, uint16 or float32 in
            [0, 1], or a tensor (3, H, W) or (B, 3, H, W) in [0, 1]. It is not modified. Alpha passes through. Floats
            mean sRGB as it is coded, not linear light; a few may overshoot, as after resampling. A tensor is taken as
            its values: no gradient leads back through the result.
        preset: a name from :func:`list_presets`, a path, or a loaded preset; or a list of them, a stack, as
            :class:`Retoucher` takes it.
        amount: 0 to 2; scales the change of colour and light. 1 is the natural look.
        detail: 0 to 2; scales the change of the high bands. ``amount=0, detail=0`` is the input, bit for bit.
        mask: (H, W) in [0, 1], array or tensor: where to apply the retouch; None for everywhere. Or the path of a grey
            picture, white where to apply it, of the picture's shape and of any size
            (:func:`lptn_retouch.mask.open_mask`).
        device: "auto", "cpu", "cuda", ...

    Returns:
        The same kind as ``image``; a path gives a :class:`Photo`.

    Raises:
        UsageError: an argument is out of range or of a kind that is no picture.
        PhotoError: the file cannot be opened.
        PresetError: the preset cannot be loaded, or its weights lead to no colours.

    References:
        Liang, Zeng & Zhang, "High-Resolution Photorealistic Image Translation in Real-Time: A Laplacian Pyramid
        Translation Network", CVPR 2021.

    Example:
        >>> grey = np.full((40, 60, 3), 90, np.uint8)
        >>> bool((retouch(grey, "retouch", amount=0, detail=0) == grey).all())
        True
    """
    check_strengths(steps_of(preset), amount, detail)
    return _retoucher(preset, device)(image, amount=amount, detail=detail, mask=mask)


_kept: dict[tuple[object, ...], Retoucher] = {}


def _retoucher(preset: PresetLike, device: str) -> Retoucher:
    """The last Retoucher again, if it is the one wanted: a loop over `retouch` should not load weights each time."""
    steps = steps_of(preset)
    if any(isinstance(step, Preset) for step, _ in steps):
        return Retoucher(preset, device)
    from lptn_retouch.preset import find_preset

    paths = [(find_preset(step).resolve(), strength) for step, strength in steps]
    files = [(path, path.stat(), strength) for path, strength in paths]
    key = (device, *((path, stat.st_mtime_ns, stat.st_size, strength) for path, stat, strength in files))
    found = _kept.get(key)
    if found is None:
        found = Retoucher(paths, device)
        _kept.clear()
        _kept[key] = found
    return found


def _out_of_memory() -> tuple[type[BaseException], ...]:
    """What torch raises where a device's memory is full; none if nobody has imported torch."""
    kind = getattr(sys.modules.get("torch"), "OutOfMemoryError", None)
    return () if kind is None else (kind,)


def _writable(pixels: np.ndarray) -> np.ndarray | None:
    """Pixels to write to, a photo's for example, or None if their memory is not an array's own."""
    owner = pixels if pixels.base is None else pixels.base
    if not pixels.flags.c_contiguous or not isinstance(owner, np.ndarray) or not owner.flags.writeable:
        return None
    view = pixels.view()
    view.flags.writeable = True
    return view


def _weight(mask: Any, size: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """A mask, from a file or not, as an array (H, W); None for none."""
    return mask.at(*size) if isinstance(mask, Mask) else weight(mask, size)
