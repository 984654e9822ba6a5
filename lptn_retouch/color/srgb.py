"""sRGB as numbers (IEC 61966-2-1), and what leads from other primaries to it.

Light is seen from D50, as ICC profiles see it: their colorants are already adapted to that white.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

D50 = np.array([0.9642, 1.0, 0.8249])  # ICC.1:2022, 7.2.16
D65 = (0.3127, 0.3290)
SRGB_PRIMARIES: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def coded(light: npt.ArrayLike) -> Floats:
    """sRGB's coding of linear light, mirrored below 0 and continued above 1.

    Example:
        >>> coded([0.0, 0.5, 1.0, -0.5]).round(3).tolist()
        [0.0, 0.735, 1.0, -0.735]
    """
    x = np.asarray(light, np.float64)
    size = np.abs(x)
    return np.copysign(np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055), x) + 0.0


def light(code: npt.ArrayLike) -> Floats:
    """The linear light of coded sRGB, the inverse of :func:`coded`.

    Example:
        >>> light([0.0, 0.735357, 1.0]).round(3).tolist()
        [0.0, 0.5, 1.0]
    """
    x = np.asarray(code, np.float64)
    size = np.abs(x)
    return np.copysign(np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4), x) + 0.0


def adaptation(white: tuple[float, float]) -> Floats:
    """The Bradford matrix that takes XYZ seen from a white, given as (x, y), to XYZ seen from D50.

    References:
        ICC.1:2022, annex E.

    Example:
        >>> adaptation((0.3457, 0.3585)).round(2).diagonal().tolist()
        [1.0, 1.0, 1.0]
    """
    response = _BRADFORD @ _xyz(*white)
    return np.asarray(np.linalg.solve(_BRADFORD, np.diag(_BRADFORD @ D50 / response) @ _BRADFORD))


def colorants(primaries: Primaries, white: tuple[float, float]) -> Floats:
    """The XYZ, seen from D50, of a space's red, green and blue: the columns of a (3, 3) matrix.

    Args:
        primaries: (x, y) of red, green and blue.
        white: (x, y).

    Raises:
        numpy.linalg.LinAlgError: the three lie on one line.

    References:
        SMPTE RP 177.

    Example:
        >>> colorants(SRGB_PRIMARIES, D65).round(4)[0].tolist()
        [0.436, 0.3851, 0.143]
    """
    columns = np.array([_xyz(*primary) for primary in primaries]).T
    return np.asarray(adaptation(white) @ columns * np.linalg.solve(columns, _xyz(*white)))


def xyz_from_lab(lab: npt.NDArray[Any]) -> Floats:
    """XYZ, seen from D50, of CIELab (..., 3) with L from 0 to 100.

    Example:
        >>> xyz_from_lab(np.array([100.0, 0, 0])).round(4).tolist()
        [0.9642, 1.0, 0.8249]
    """
    middle = (lab[..., 0] + 16) / 116
    f = np.stack([middle + lab[..., 1] / 500, middle, middle - lab[..., 2] / 200], axis=-1)
    return np.asarray(np.where(f > 6 / 29, f**3, (f - 16 / 116) * 3 * (6 / 29) ** 2) * D50)


def _xyz(x: float, y: float) -> Floats:
    return np.array([x / y, 1.0, (1 - x - y) / y])


COLORANTS = np.rint(colorants(SRGB_PRIMARIES, D65) * 65536) / 65536  # as profiles of sRGB round them
FROM_XYZ = np.linalg.inv(COLORANTS)
"""XYZ, seen from D50, to linear sRGB."""
