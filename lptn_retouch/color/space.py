"""Which colour space a picture is in, and what leads from it to sRGB and back."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lptn_retouch.color import cms
from lptn_retouch.color.icc import SAMPLES, Profile, colorant, curve, parse
from lptn_retouch.color.srgb import FROM_XYZ, Floats, coded
from lptn_retouch.errors import shown

CODES = 4097
"""Entries of a table that codes light, over its square root, since curves are steep at black."""

MAX_PROFILE = 64 << 20
"""Largest profile read, in bytes: a printer's has some three million."""

_HALF_A_LEVEL = 0.5 / 255
_TABLES = {"A2B0", "A2B1", "D2B1"}
_PICTURES = ("mntr", "scnr", "prtr", "spac")

Table = npt.NDArray[np.float32]


class Matrix(NamedTuple):
    """A space of three primaries.

    Args:
        curves: (3, SAMPLES), a 16-bit sample to light.
        forward: (3, 3), light to linear sRGB.
        back: its inverse.
        codes: (3, CODES + 1), from the square root of light to samples in [0, 1]; the last entry stands twice.
    """

    curves: Table
    forward: Table
    back: Table
    codes: Table


class Grid(NamedTuple):
    """A space given by a table, such as a scanner's or a printer's.

    Args:
        curves: (3, SAMPLES), a 16-bit sample to a place on the grid; even steps there look even.
        nodes: (N, N, N, 3), what the colours there look like in sRGB without bounds.
        codes: as in :class:`Matrix`.
    """

    curves: Table
    nodes: Table
    codes: Table


@dataclass(frozen=True, eq=False)
class ColorSpace:
    """What the numbers of a picture mean.

    Args:
        name: "sRGB", the description of another profile, or "unknown".
        model: "RGB" or "GRAY".
        transform: to sRGB; None where the numbers are sRGB already, or have to be taken so.

    Example:
        >>> ColorSpace().is_srgb
        True
    """

    name: str = "sRGB"
    model: str = "RGB"
    transform: Matrix | Grid | None = None

    @property
    def is_srgb(self) -> bool:
        """The numbers may go to the network as they are."""
        return self.transform is None


def is_of_grey(icc: bytes | None) -> bool:
    """Whether a profile is for pictures of one channel.

    References:
        ICC.1:2022, 7.2.8 (data colour space).

    Example:
        >>> is_of_grey(None)
        False
    """
    return icc is not None and icc[16:20] == b"GRAY"


def read_profile(icc: bytes | None, *, grey: bool | None = None) -> tuple[ColorSpace, tuple[str, ...]]:
    """The colour space that a profile describes.

    Whether it is sRGB is told by its numbers, within half an 8-bit level everywhere, and not by its name.

    Args:
        icc: the profile, or None: without one, numbers are taken to be sRGB, as browsers do.
        grey: whether the picture has a single channel, as it must for a profile of greys; None if that is not known.

    Returns:
        The space; and notices, one sentence each. A profile that is damaged, or for other pictures than of RGB or
        grey, is taken to be sRGB.

    References:
        ICC.1:2022, 8.3 and 9.2; media-relative colorimetric.

    Example:
        >>> from lptn_retouch.color import adobe_rgb_profile
        >>> space, notices = read_profile(adobe_rgb_profile())
        >>> space.name, space.is_srgb, notices
        ('Adobe RGB (1998)', False, ())
        >>> read_profile(b"no profile")[1]
        ('Its colour profile is damaged, so its colours are taken to be sRGB.',)
    """
    return _read(bytes(icc), grey) if icc else (ColorSpace(model="GRAY" if grey else "RGB"), ())


@lru_cache(maxsize=8)  # of a megabyte or two each
def _read(icc: bytes, grey: bool | None) -> tuple[ColorSpace, tuple[str, ...]]:
    profile = parse(icc) if len(icc) <= MAX_PROFILE else None
    if profile is None or profile.kind not in _PICTURES:
        return ColorSpace("unknown"), ("Its colour profile is damaged, so its colours are taken to be sRGB.",)
    name, model = profile.description, profile.model
    if model not in ("RGB", "GRAY") or (model == "GRAY" and grey is False):
        return ColorSpace(name), (
            f"Its colour profile ({name}) is for {shown(model)} pictures, which this is not, so its colours are taken "
            "to be sRGB.",
        )
    transform = _grey(profile) if model == "GRAY" else _grid(icc, profile) or _matrix(profile)
    if transform is None:
        return ColorSpace(name, model), (
            f"Its colour profile ({name}) cannot be used, so its colours are taken to be sRGB.",
        )
    return (ColorSpace("sRGB", model) if _is_srgb(transform) else ColorSpace(name, model, transform)), ()


def _grey(profile: Profile) -> Matrix | None:
    """A space of greys has sRGB's primaries, so that grey stays grey."""
    tone = curve(profile.tags.get("kTRC", memoryview(b"")))
    return None if tone is None else _of_primaries(np.stack([tone] * 3), np.eye(3))


def _matrix(profile: Profile) -> Matrix | None:
    none = memoryview(b"")
    tones = [curve(profile.tags.get(f"{c}TRC", none)) for c in "rgb"]
    columns = [colorant(profile.tags.get(f"{c}XYZ", none)) for c in "rgb"]
    if any(part is None for part in tones + columns):
        return None
    return _of_primaries(np.array(tones), FROM_XYZ @ np.array(columns).T)


def _of_primaries(tones: Floats, forward: Floats) -> Matrix | None:
    if np.linalg.cond(forward) > 1000:  # the primaries lie on a line, or nearly
        return None
    return Matrix(_f32(tones), _f32(forward), _f32(np.linalg.inv(forward)), _codes(tones))


def _grid(icc: bytes, profile: Profile) -> Grid | None:
    """The grid of a profile that is a table. Its axes are bent as its greys are, which may be as dark as light is."""
    if not _TABLES & profile.tags.keys():
        return None
    x = np.linspace(0, 1, SAMPLES)
    coarse = np.linspace(0, 1, 1025)
    greys = cms.through_cms(icc, np.stack([coarse] * 3, axis=-1))
    if greys is None:
        return None
    rising = np.maximum.accumulate(greys.mean(axis=-1))
    height = rising[-1] - rising[0]
    tone = 0.95 * (rising - rising[0]) / height + 0.05 * coarse if height > 0.25 else coarse
    axis = np.interp(np.linspace(0, 1, cms.NODES), tone, coarse)
    nodes = cms.grid(icc, axis)
    if nodes is None:
        return None
    tones = np.stack([np.interp(x, coarse, tone)] * 3)
    return Grid(_f32(tones), _f32(nodes), _codes(tones))


def _codes(tones: Floats) -> Table:
    """The inverses of curves, by the square root of light."""
    x = np.linspace(0, 1, SAMPLES)
    light = np.linspace(0, 1, CODES) ** 2
    codes = [np.interp(light, tone + 1e-9 * x, x) for tone in tones]  # where it is level, by a hair's slope
    return _f32(np.pad(codes, ((0, 0), (0, 1)), mode="edge"))


def _is_srgb(transform: Matrix | Grid) -> bool:
    axis = np.linspace(0, 1, 9)
    cube = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    colours = np.concatenate([cube, np.stack([np.linspace(0, 1, 256)] * 3, axis=-1)])
    return bool(np.abs(np.clip(wide(colours, transform), 0, 1) - colours).max() <= _HALF_A_LEVEL)


def wide(colours: npt.NDArray[Any], transform: Matrix | Grid) -> Floats:
    """What the kernels compute, in plain NumPy: colours of a space as sRGB without bounds.

    Args:
        colours: (n, 3) in [0, 1].

    Returns:
        (n, 3), gamma-coded and mirrored below 0.

    Example:
        >>> from lptn_retouch.color import adobe_rgb_profile
        >>> wide(np.array([[0.0, 1.0, 0.0]]), read_profile(adobe_rgb_profile())[0].transform).round(2) + 0.0
        array([[-0.66,  1.  , -0.23]])
    """
    places = np.linspace(0, 1, SAMPLES)
    light = np.stack([np.interp(colours[:, c], places, transform.curves[c]) for c in range(3)], axis=-1)
    if isinstance(transform, Matrix):
        return coded(light @ transform.forward.T.astype(np.float64))
    steps = transform.nodes.shape[0] - 1
    cell = np.minimum((light * steps).astype(int), steps - 1)
    within = light * steps - cell
    total = np.zeros_like(light)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, within, 1 - within).prod(axis=-1)
        total += weight[:, None] * transform.nodes[tuple((cell + corner).T)]
    return total


def _f32(values: npt.ArrayLike) -> Table:
    return np.ascontiguousarray(values, np.float32)
