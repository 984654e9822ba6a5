"""What a file says of its colours elsewhere than in an ICC profile, as a profile."""

from typing import Any, NamedTuple

from lptn_retouch.codecs.format import Format
from lptn_retouch.codecs.hdr import HLG, PQ
from lptn_retouch.color import profile_from_cicp, srgb_profile
from lptn_retouch.metadata import Metadata

_SRGB = (1, 13)  # ITU-T H.273: primaries and transfer
_UNSPECIFIED, _BT2020 = 2, 9  # primaries; BT.2100 has those of BT.2020


class Signalled(NamedTuple):
    """What a file says of its colours.

    Args:
        metadata: the file's, with a profile of that; as it is where that is sRGB, or nothing.
        transfer: PQ or HLG where the picture is of high dynamic range; the profile is of what becomes of it.
    """

    metadata: Metadata
    transfer: int | None = None


def signalled(format: Format[Any], structure: Any, metadata: Metadata) -> Signalled:
    """What a file says of its colours, as a profile in its metadata.

    A PNG says it in its cICP chunk, which goes before a profile, or in gAMA and cHRM; AVIF and HEIC in an nclx box; a
    camera's JPEG in DCF's mark for Adobe RGB.

    Args:
        format: the file's.
        structure: what that made of it.
        metadata: what it carries.

    Source: PNG third edition, 4.3 (precedence); ISO/IEC 14496-12 12.1.5; DCF 2.0 (CIPA DC-009), R03.
    """
    points = format.colour_points(structure)
    if points is not None and points[1] in (PQ, HLG):
        primaries = _BT2020 if points[0] == _UNSPECIFIED else points[0]
        return Signalled(metadata.with_icc(profile_from_cicp(primaries, _SRGB[1])), points[1])
    if points is not None and format.points_first:
        profile = srgb_profile() if metadata.icc is not None and points == _SRGB else profile_from_cicp(*points)
    elif metadata.icc is not None:
        profile = None
    elif points is not None:
        profile = profile_from_cicp(*points)
    else:
        profile = format.colour_profile(structure, metadata)
    return Signalled(metadata if profile is None else metadata.with_icc(profile))
