"""Do the two pictures of a pair lie on each other? What does not is found before anything is learnt from it.

Compared are the directions of edges, which a look leaves where they are however strong it is (orientation correlation,
Fitch et al., BMVC 2002): all pairs at one place, and those that are unlike there at every turn, crop and shift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor

from lptn_retouch.errors import TrainingError, shown
from lptn_retouch.training.data.pictures import list_pictures, load_srgb, small_entry

Pair = tuple[Path, Path]
SAME = "before and after are the same picture; retouch it"
MIRRORED = "after is mirrored; mirror it back"
CROPPED = "after is cropped, shifted or straightened otherwise than before; export both alike"
OTHER = "before and after show different scenes; give each pair one name of its own"
UNLIKE = "before and after do not lie on each other; export both with the same crop and turn"

_SIDE = 96  # px, the longer side of what is compared
_FINE = 64  # px, where all turns and crops are tried
_SURE = 0.7  # likeness of edges above which a pair lies on itself: of 1,968 real pairs two have less
_SCENE = 0.25  # likeness below which scenes differ, unless they agree nowhere better: of other scenes 99.7 % have less
_CLEAR = 0.45  # likeness that another turn or crop must reach, ...
_BETTER = 0.18  # ... and by how much it must be the better one
_THOROUGH = 12  # pairs that are looked at in every turn and crop; the rest are told to be unlike
_NAMED = 6  # names in a line


def check_pairs(pairs: list[Pair], pixels: int, say: Callable[[str], None] = print) -> list[Pair]:
    """Leave out the pairs that nothing can be learnt from, and say which and why.

    Args:
        pairs: files before and after.
        pixels: area at which they are learnt from, px; they are read at that size, and kept for it in the cache.
        say: called with a line for each kind of fault.

    Returns:
        The others, in their order.

    Raises:
        TrainingError: more than half of the pairs are at fault.
        PhotoError: a picture cannot be read.
    """
    with ThreadPoolExecutor(2) as pool:
        likeness = list(pool.map(lambda pair: _likeness_as_they_lie(pair, pixels), pairs))
    faults: dict[str, list[str]] = {}
    good, looked_at = [], 0
    for pair, like in zip(pairs, likeness, strict=True):
        fault = SAME if like is None else ""
        if like is not None and like < _SURE:
            looked_at += 1
            fault = find_fault(*map(load_srgb, pair)) if looked_at <= _THOROUGH else UNLIKE if like < _SCENE else ""
        if fault:
            faults.setdefault(fault, []).append(shown(pair[0].stem))
        else:
            good.append(pair)
    for fault, names in faults.items():
        say(f"left out: {_listed(names)}: {fault}")
    if len(good) < len(pairs) / 2:
        wrong = len(pairs) - len(good)
        raise TrainingError(
            f"{wrong} of {len(pairs)} pairs cannot be learnt from; see the lines above and mend them, "
            "or use them as they are with --no-check."
        )
    return good


def say_unmatched(before: Path, after: Path, say: Callable[[str], None]) -> None:
    """Name the pictures of two folders that have no partner of their name in the other."""
    names = [{file.stem for file in list_pictures(folder)} for folder in (before, after)]
    for folder, other, lone in ((before, after, names[0] - names[1]), (after, before, names[1] - names[0])):
        if lone:
            what = f"no picture of {'its' if len(lone) == 1 else 'their'} name in {shown(other)}; give it the same name"
            say(f"left out: {_listed([shown(name) for name in sorted(lone)])} of {shown(folder)}: {what}")


def find_fault(before: Tensor, after: Tensor) -> str:
    """How two pictures fail to be a pair, "" if they are one; every turn, mirror image and crop is tried.

    Args:
        before, after: (1, 3, h, w) in [0, 1] of any sizes.

    Example:
        >>> import torch
        >>> picture = torch.rand(1, 3, 9, 12).repeat_interleave(8, 2).repeat_interleave(8, 3)
        >>> find_fault(picture, picture.rot90(1, (2, 3)))
        'after is turned by 90 degrees; turn it back'
    """
    one, other = _grey(before), _grey(after)
    edges, size = _edges(one), one.shape
    if not edges.any() or not _edges(other).any():
        return ""  # an empty frame, of which nothing can be said
    here = _at(edges, _edges(_resized(other, size)))
    if here >= _SURE:
        return ""
    found = {name: _best_near(edges, _edges(_resized(turned, size))) for name, turned in _turns(other)}
    name = max(found, key=lambda name: found[name])
    if found[name] < _SURE:  # else nothing can be more alike
        found[CROPPED] = max(_best_crop(one, other), _best_crop(other, one))
        name = max(found, key=lambda name: found[name])
    if found[name] > max(_CLEAR, here + _BETTER):
        return name
    return OTHER if here < _SCENE and not _peaks_here(edges, _edges(_resized(other, size))) else ""


def _likeness_as_they_lie(pair: Pair, pixels: int) -> float | None:
    """How alike the edges of a pair are, -1 to 1; None for one picture twice."""
    before, after = (picture.numpy() for picture in small_entry(pair, pixels)[1])
    if np.abs(before.astype(np.int16) - after).mean() < 0.5:  # of 255; the gentlest of real pairs has 1.4
        return None
    one, other = (_edges(_to_side(np.asarray(_luma(p)), _SIDE)) for p in (before, after))
    return _at(one, other) if one.any() and other.any() else 1.0


def _luma(picture: Any) -> Any:
    return picture.astype(np.float32).transpose(1, 2, 0) @ np.array([0.299, 0.587, 0.114], np.float32)


def _grey(picture: Tensor) -> Any:
    scale = _FINE / max(picture.shape[-2:])
    size = [max(8, round(side * scale)) for side in picture.shape[-2:]]
    return _luma(255 * F.interpolate(picture, size=size, mode="bilinear", antialias=True)[0].numpy())


def _to_side(grey: Any, side: int) -> Any:
    scale = side / max(grey.shape)
    height, width = grey.shape
    return _resized(grey, (max(8, round(height * scale)), max(8, round(width * scale))))


def _resized(grey: Any, size: tuple[int, int]) -> Any:
    return np.asarray(Image.fromarray(grey).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _edges(grey: Any) -> Any:
    """Edges of a picture as complex numbers of twice their angle, all squares together 1; strong ones are held back.

    Twice the angle, since a look may turn light and dark about; of the logarithm, since it may take the light away.
    """
    down, right = np.gradient(np.log(grey + 8))
    edge = right + 1j * down
    strength = np.abs(edge)
    held = np.minimum(1, (np.quantile(strength, 0.9) + 1e-9) / (strength + 1e-9))
    edge = np.where(strength < 0.02, 0, edge * edge / (strength + 1e-9) * held)  # below is noise
    edge[[0, -1]] = edge[:, [0, -1]] = 0
    return edge / (np.sqrt((np.abs(edge) ** 2).sum()) + 1e-9)


def _at(one: Any, other: Any) -> float:
    return float(np.real(np.vdot(other, one)))


def _turns(grey: Any) -> Iterator[tuple[str, Any]]:
    """The picture turned back and mirrored back, with what was done to it."""
    for turns in (1, 2, 3):
        degrees = f"{90 * turns} degrees" if turns < 3 else "90 degrees"
        yield (
            f"after is turned by {degrees}{'' if turns < 3 else ' the other way'}; turn it back",
            np.rot90(grey, -turns),
        )
    yield MIRRORED, grey[:, ::-1]
    yield "after is turned upside down and mirrored; mirror it back", grey[::-1]
    for turns in (1, 3):
        yield "after is turned by 90 degrees and mirrored; turn it back", np.rot90(grey, turns)[:, ::-1]


def _best_near(one: Any, other: Any) -> float:
    """The best likeness within two pixels."""
    shifts = range(-2, 3)
    return max(_at(one, np.roll(other, (y, x), (0, 1))) for y in shifts for x in shifts)


def _peaks_here(one: Any, other: Any) -> bool:
    """Whether no shift makes two pictures more alike than none does, as in pairs under the strongest of looks."""
    surface = np.real(np.fft.ifft2(np.fft.fft2(one) * np.conj(np.fft.fft2(other))))
    return bool(surface[0, 0] > 0.1 and surface[0, 0] >= surface.max() - 1e-6)


def _best_crop(whole: Any, part: Any) -> float:
    """The best likeness of a picture to a part of another: at any place, 35 to 100 % as wide, up to 5 degrees askew."""
    ground = _Ground(_edges(whole), part.shape)
    scales = np.geomspace(0.35, 1.0, 25)
    best = max(ground.best(_part(whole, part, scale, 0)) for scale in scales)
    if best < _CLEAR:
        tries = ((scale, angle) for angle in (-5, -3, 3, 5) for scale in scales[-5:])
        best = max(best, *(ground.best(_part(whole, part, scale, angle)) for scale, angle in tries))
    return best


def _part(whole: Any, part: Any, scale: float, angle: float) -> Any:
    width = whole.shape[1] * scale
    size = (max(8, round(width * part.shape[0] / part.shape[1])), max(8, round(width)))
    if angle:
        picture = Image.fromarray(part).rotate(angle, Image.Resampling.BILINEAR)
        lost = 0.1  # of each side: the corners that a turn leaves empty
        part = np.asarray(picture)[round(lost * part.shape[0]) :, round(lost * part.shape[1]) :]
        part = part[: part.shape[0] - round(lost * part.shape[0]), : part.shape[1] - round(lost * part.shape[1])]
        size = (max(8, round(size[0] * (1 - 2 * lost))), max(8, round(size[1] * (1 - 2 * lost))))
    return _edges(_resized(np.ascontiguousarray(part), size))


class _Ground:
    """A picture's edges, on which others are laid at every shift."""

    def __init__(self, edges: Any, largest: tuple[int, int]) -> None:
        longest = max(largest)
        self.size = [-(-(n + longest) // 32) * 32 for n in edges.shape]  # quick to transform
        self.area = edges.size
        self.spectra = [self._spectrum(x) for x in (edges, np.abs(edges) ** 2, np.ones(edges.shape))]

    def best(self, other: Any) -> float:
        """The best likeness over all shifts that lay at least two thirds of the smaller picture on the other."""
        edges, squares, ground = (self._spectrum(x) for x in (other, np.abs(other) ** 2, np.ones(other.shape)))
        # Two real surfaces come from one transform, one as its imaginary part.
        of_both = self._surface(self.spectra[1] * np.conj(ground) + 1j * (self.spectra[2] * np.conj(squares)))
        of_one, of_other = of_both.real, of_both.imag
        like = self._surface(self.spectra[0] * np.conj(edges)).real
        common = self._surface(self.spectra[2] * np.conj(ground)).real
        # An empty sky is like any other: what lies on each other must hold edges.
        enough = (common >= 2 / 3 * min(self.area, other.size)) & (of_one > 0.1) & (of_other > 0.5)
        like = like / np.sqrt(np.maximum(of_one * of_other, 1e-9))
        return float(like[enough].max()) if enough.any() else 0.0

    def _spectrum(self, plane: Any) -> Any:
        return np.fft.fft2(plane, self.size)

    def _surface(self, spectrum: Any) -> Any:
        return np.fft.ifft2(spectrum)


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
