"""An editor's picture: what a message says of it, checked before any memory is asked for, and its retouch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lptn_retouch.codecs.limits import MAX_PIXELS
from lptn_retouch.errors import UsageError, shown
from lptn_retouch.memory import check_memory
from lptn_retouch.metadata import Metadata
from lptn_retouch.photo import Photo
from lptn_retouch.picture.samples import one_channel

if TYPE_CHECKING:
    from lptn_retouch.retoucher import Retoucher

TYPES = {"u8": "<u1", "u16": "<u2", "f32": "<f4"}
_ROWS = 64  # made grey at a time
_CLIPPED = "Values below 0 or above 1 were clipped: a look is made for what lies between black and white."


@dataclass(frozen=True)
class Layout:
    """How a picture's samples lie in its payload.

    Args:
        width, height: px.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        type: of the samples; see `TYPES`.
    """

    width: int
    height: int
    channels: int
    type: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.width * self.height * self.channels * np.dtype(TYPES[self.type]).itemsize


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it came.

    Args:
        layout: of the samples.
        samples: (size,) bytes.
        icc: the profile's bytes; none for sRGB.
    """

    layout: Layout
    samples: npt.NDArray[np.uint8]
    icc: npt.NDArray[np.uint8]

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self.samples.nbytes + self.icc.nbytes


def read_layout(message: Mapping[str, Any], sizes: list[int]) -> Layout:
    """What a message says of the picture that follows it.

    Args:
        message: with width, height, channels, type.
        sizes: of its payloads, bytes: samples, and maybe an ICC profile.

    Raises:
        UsageError: something is missing or wrong, or does not go with the sizes.

    Example:
        >>> read_layout({"width": 2, "height": 1, "channels": 3, "type": "u8"}, [6])
        Layout(width=2, height=1, channels=3, type='u8')
    """
    from lptn_retouch.color.space import MAX_PROFILE

    width, height, channels, kind = (message.get(key) for key in ("width", "height", "channels", "type"))
    if not (type(width) is int and type(height) is int and width > 0 and height > 0):
        raise UsageError("width and height are whole numbers of pixels, 1 or more; send both.")
    if width * height > MAX_PIXELS:
        raise UsageError(
            f"a picture of {_brief(width)} x {_brief(height)} pixels is more than the {MAX_PIXELS:,} that are taken; "
            "make it smaller first."
        )
    if type(channels) is not int or not 1 <= channels <= 4:
        raise UsageError("channels is 1 for grey, 2 for grey and alpha, 3 for RGB or 4 for RGB and alpha; send one.")
    if not isinstance(kind, str) or kind not in TYPES:
        raise UsageError(f"type is one of {', '.join(TYPES)}; send one.")
    layout = Layout(width, height, channels, kind)
    if len(sizes) not in (1, 2) or sizes[0] != layout.size:
        raise UsageError(
            f"sizes is [{layout.size}] for this picture, or that and the bytes of its ICC profile, not "
            f"{_brief(sizes)}; send as many bytes as width, height, channels and type make."
        )
    if sum(sizes[1:]) > MAX_PROFILE:
        raise UsageError(
            f"a colour profile has at most {MAX_PROFILE:,} bytes, not {_brief(sizes[1])}; convert the picture to sRGB."
        )
    return layout


def _brief(value: object) -> str:
    return text if len(text := str(value)) <= 40 else f"{text[:37]}..."


def retouched(
    picture: Picture, retoucher: Retoucher, amount: float, detail: float, *, ours: bool
) -> tuple[memoryview, list[str]]:
    """A picture's retouch, in its own space and of its own layout.

    Args:
        picture: not modified, unless it is `ours`.
        amount: 0 to 2.
        detail: 0 to 2; with both 0 the samples come back bit for bit.
        ours: nobody needs the picture any more, so the result may take its place.

    Returns:
        The payload, and notices, one sentence each.

    Raises:
        UsageError: the floats hold NaN or infinity, or there is not enough memory for it.
        PresetError: the preset's weights lead to no colours.
    """
    from lptn_retouch.color import read_profile

    if amount == detail == 0:
        return picture.samples.data, []
    layout = picture.layout
    grey = layout.channels < 3
    pixels: npt.NDArray[Any] = picture.samples.view(TYPES[layout.type])
    pixels = pixels.reshape(layout.height, layout.width, layout.channels)
    notices: list[str] = []
    if layout.type == "f32" and (pixels.min() < 0 or pixels.max() > 1):
        pixels = np.clip(pixels, 0, 1, out=pixels if ours else None)
        ours = True
        notices.append(_CLIPPED)
    if grey:
        check_memory(layout.width * layout.height, 4 * pixels.itemsize * layout.width * layout.height, None)
        pixels, ours = np.take(pixels, [0, 0, 0, 1][: layout.channels + 2], axis=2), True
    space, doubts = read_profile(picture.icc.tobytes(), grey=grey)
    notices += doubts
    photo = Photo(pixels, space.name, Metadata.build(icc=None if doubts else picture.icc.tobytes()))
    del pixels
    work = retoucher.using_up if ours else retoucher
    done = work(photo, amount=amount, detail=detail)
    notices += done.notices
    result = done.pixels
    if grey:
        del photo
        thin = np.empty((layout.height, layout.width, layout.channels), result.dtype)
        for row in range(0, layout.height, _ROWS):
            thin[row : row + _ROWS] = one_channel(result[row : row + _ROWS]).reshape(-1, *thin.shape[1:])
        result = thin
    return np.ascontiguousarray(result).data.cast("B"), [shown(notice) for notice in notices]
