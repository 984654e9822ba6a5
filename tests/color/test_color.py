"""Colour management: LittleCMS, Pillow and exiftool as oracles, real profiles, and the laws a round trip keeps."""

import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from skimage.color import deltaE_ciede2000, xyz2lab

from lptn_retouch.color import (
    ColorSpace,
    HighDynamicRangeError,
    adobe_rgb_profile,
    cmyk_to_srgb,
    converted,
    from_srgb,
    lab_to_srgb,
    matrix_profile,
    profile_from_cicp,
    profile_from_png,
    read_profile,
    srgb_profile,
    to_srgb,
)
from lptn_retouch.color.space import Grid, Matrix, wide
from lptn_retouch.color.srgb import COLORANTS, D50, D65, SRGB_PRIMARIES, adaptation, coded, colorants, light
from lptn_retouch.errors import UsageError

Array = npt.NDArray[Any]
PROPHOTO = matrix_profile("ProPhoto", ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), (0.3457, 0.3585), 1.8)
P3 = profile_from_cicp(12, 13) or b""
REC2020 = profile_from_cicp(9, 13) or b""
REAL = {
    "camera-jpegs/exif-samples__landscape_6.jpg": "Generic RGB Profile",
    "camera-jpegs/exiv2__Reagan.jpg": "Adobe RGB (1998)",
    "camera-jpegs/photoprism__Iceland-P3.jpg": "Display P3",
    "odd/photoprism__screenshot.png": "DELL U2515H",
    "camera-jpegs/exif-1.0.3__noise.jpg": "sRGB",
    "camera-jpegs/metadata-extractor-image__Issue 600 (2).jpg": "sRGB",  # which calls itself GIMP's
}


def colours(dtype: Any, channels: int = 3, seed: int = 0, size: tuple[int, int] = (40, 300)) -> Array:
    random = np.random.default_rng(seed)
    picture = random.random((*size, channels), np.float32)
    picture[:4] = picture[:4].round()  # the corners of the cube
    return picture if dtype == np.float32 else np.rint(picture * np.iinfo(dtype).max).astype(dtype)


def cms(picture: Array, icc: bytes, to: bytes, model: str = "rgb") -> Array:
    """By LittleCMS at its most exact."""
    result: Array = imagecodecs.cms_transform(
        picture,
        icc,
        to,
        colorspace=model,
        outcolorspace="rgb",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE,
    )
    return result


def space_of(icc: bytes) -> ColorSpace:
    space, notices = read_profile(icc)
    assert not notices and not space.is_srgb
    return space


def lut_profile(function: Callable[[Array], Array], *, model: bytes = b"RGB ", nodes: int = 17) -> bytes:
    """A scanner's or printer's profile, one way, of version 2: a table (mft2) of CIELab over device numbers."""
    inputs = 4 if model == b"CMYK" else 3
    axis = [np.linspace(0, 1, nodes)] * inputs
    places = np.stack(np.meshgrid(*axis, indexing="ij"), axis=-1).reshape(-1, inputs)
    lab = function(places) + np.array([0, 128, 128])
    straight = np.array([0, 65535], ">u2").tobytes()
    table = b"mft2\0\0\0\0" + bytes([inputs, 3, nodes, 0])
    table += struct.pack(">9i2H", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536, 2, 2) + straight * inputs
    table += np.rint(np.clip(lab * [652.8, 256, 256], 0, 65535)).astype(">u2").tobytes() + straight * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(int(v * 65536) for v in D50))
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 8) + b"Scanner\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": white,
        b"A2B0": table,
    }
    body, entries = b"", struct.pack(">I", len(tags))
    for name, data in tags.items():
        entries += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if model == b"CMYK" else b"scnr"
    head = struct.pack(">I4xI4s4s4s12x4s24x", 128 + len(entries + body), 0x02400000, kind, model, b"Lab ", b"acsp")
    return head + struct.pack(">I3i48x", 0, 63190, 65536, 54061) + entries + body


def lab_of(picture: Array, icc: bytes) -> Array:
    """CIELab by the profile's matrix."""
    way = space_of(icc).transform
    assert isinstance(way, Matrix)
    return lab_of_wide(wide(picture.reshape(-1, 3), way))


def lab_of_wide(numbers: Array) -> Array:
    """CIELab of sRGB without bounds."""
    seen_from_d65 = np.linalg.inv(adaptation(D65)) @ COLORANTS
    return np.asarray(xyz2lab(light(numbers) @ seen_from_d65.T))


def duller(numbers: Array, share: float) -> Array:
    """With a share of their saturation, in linear light."""
    linear = light(numbers)
    grey = linear @ np.array([[0.2126], [0.7152], [0.0722]])
    return coded(grey + share * (linear - grey))


@pytest.fixture(params=["Adobe RGB", "Display P3", "ProPhoto", "scanner"])
def icc(request: pytest.FixtureRequest) -> bytes:
    return {"Adobe RGB": adobe_rgb_profile(), "Display P3": P3, "ProPhoto": PROPHOTO, "scanner": SCANNER}[request.param]


def scanner(places: Array) -> Array:
    """Device numbers to CIELab: a curve, channels that mix, primaries beyond sRGB's, and a bend."""
    linear = places**1.8 @ np.array([[0.95, 0.03, 0.02], [0.04, 0.93, 0.03], [0.01, 0.05, 0.94]]).T
    xyz = linear**1.05 @ colorants(((0.68, 0.32), (0.23, 0.70), (0.14, 0.06)), D65).T
    f = np.where(xyz / D50 > 0.008856, np.cbrt(xyz / D50), 7.787 * xyz / D50 + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)


SCANNER = lut_profile(scanner)


# Profiles


@pytest.mark.parametrize("file", REAL)
def test_real_profiles_are_read_and_agree_with_littlecms(shared: Path, file: str) -> None:
    with Image.open(shared / "data" / file) as image:
        profile = image.info["icc_profile"]
    space, notices = read_profile(profile)
    assert space.name == REAL[file] and space.is_srgb == (space.name == "sRGB") and not notices
    if not space.is_srgb:
        ours, theirs = (a.astype(int) for a in (to_srgb(colours(np.uint16), space), _their_srgb(profile)))
        assert np.quantile(np.abs(ours - theirs), 0.99) <= 1 and np.abs(ours - theirs).max() <= 4


def _their_srgb(profile: bytes) -> Array:
    theirs = cms(colours(np.uint16).astype(np.float64) / 65535, profile, srgb_profile())
    return np.rint(np.clip(theirs, 0, 1) * 65535)


def test_srgb_is_told_by_its_numbers() -> None:
    assert read_profile(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())[0].is_srgb
    named = matrix_profile("sRGB IEC61966-2.1", SRGB_PRIMARIES, D65, 1.8)
    assert not read_profile(named)[0].is_srgb


def test_a_profile_that_does_not_fit_is_left_out_and_said(shared: Path, one_sentence: Callable[[object], str]) -> None:
    with Image.open(shared / "data/odd/sharp__concert.jpg") as image:
        grey = image.info["icc_profile"]
    assert read_profile(grey, grey=True)[0].model == "GRAY" and not read_profile(grey, grey=True)[0].is_srgb
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for space, notices in (read_profile(grey, grey=False), read_profile(lab), read_profile(b"no profile")):
        assert space.is_srgb and len(notices) == 1
        assert "colour profile" in one_sentence(notices[0])


def test_greys_of_a_grey_profile_stay_grey_and_agree_with_littlecms(shared: Path) -> None:
    with Image.open(shared / "data/odd/sharp__concert.jpg") as image:
        grey = image.info["icc_profile"]
    space, _ = read_profile(grey, grey=True)
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    seen = to_srgb(ramp, space)
    theirs = cms(ramp[..., 0].astype(np.float64) / 255, grey, srgb_profile(), "gray")
    assert np.abs(seen / 65535 - np.clip(theirs, 0, 1)).max() < 1e-4
    lighter = from_srgb(ramp, np.minimum(seen, 65000) + np.uint16(500), space)
    assert (lighter == lighter[..., :1]).all() and (np.diff(lighter[0, :, 0].astype(int)) >= 0).all()


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_no_damage_to_a_profile_raises(data: st.DataObject) -> None:
    profile = bytearray(data.draw(st.sampled_from([adobe_rgb_profile(), SCANNER[:-7000], P3])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(profile), 700) - 1))
        profile[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    del profile[data.draw(st.integers(100, len(profile))) :]
    space, notices = read_profile(bytes(profile))
    assert space.name.isprintable() and all(notice.isprintable() for notice in notices)
    some = colours(np.uint8, size=(2, 3))
    assert np.array_equal(from_srgb(some, to_srgb(some, space), space), some)


# There and back


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [3, 4])
def test_what_is_not_changed_comes_back_to_the_bit(icc: bytes, dtype: Any, channels: int) -> None:
    space, picture = space_of(icc), colours(dtype, channels)
    kept = picture.copy()
    seen = to_srgb(picture, space)
    assert seen.dtype == (np.float32 if dtype == np.float32 else np.uint16) and np.array_equal(picture, kept)
    assert seen.min() >= 0 and (dtype != np.float32 or seen.max() <= 1)
    assert np.array_equal(from_srgb(picture, seen, space), kept)
    changed = seen.copy()
    changed[::2, ..., :3] = changed[::2, ..., :3] // 2 if dtype != np.float32 else changed[::2, ..., :3] / 2
    result = from_srgb(picture, changed, space)
    assert np.array_equal(result[1::2], kept[1::2]) and not np.array_equal(result[::2], kept[::2])
    assert np.array_equal(result[..., 3:], kept[..., 3:])
    assert from_srgb(picture, changed, space, out=picture) is picture and np.array_equal(picture, result)


def test_a_read_only_view_that_is_not_contiguous_is_fine() -> None:
    space = space_of(P3)
    whole = colours(np.uint8)
    view = whole[::-1, 10:200]
    view.flags.writeable = False
    assert np.array_equal(to_srgb(view, space), to_srgb(whole, space)[::-1, 10:200])
    assert np.array_equal(from_srgb(view, to_srgb(view, space), space), view)


shift = st.floats(-0.05, 0.05)
chromaticity = st.tuples(shift, shift)


@given(st.tuples(chromaticity, chromaticity, chromaticity), st.floats(1, 3), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_any_matrix_profile_keeps_what_is_kept_and_the_order_of_greys(
    moved: tuple[tuple[float, float], ...], gamma: float, seed: int
) -> None:
    primaries = tuple((x + dx, y + dy) for (x, y), (dx, dy) in zip(SRGB_PRIMARIES, moved, strict=True))
    space, notices = read_profile(matrix_profile("any", primaries, D65, gamma))  # type: ignore[arg-type]
    assert not notices
    picture = colours(np.uint16, seed=seed, size=(8, 500))
    picture[0] = np.sort(picture[5, :, :1], axis=0)
    seen = to_srgb(picture, space)
    assert np.array_equal(from_srgb(picture, seen, space), picture)
    assert (np.diff(seen[0].astype(int), axis=0) >= 0).all()
    darker = from_srgb(picture, (seen * 0.7).astype(np.uint16), space)
    assert (np.diff(to_srgb(darker, space)[0].astype(int), axis=0) >= -2).all()  # the network's numbers are rounded
    nudged = from_srgb(picture, seen ^ 1, space).astype(int)  # by a 65535th: no sample jumps
    assert np.abs(nudged - picture)[(picture > 16000) & (picture < 63000)].max() <= 60


def test_changed_colours_go_where_the_network_put_them() -> None:
    """Of colours that sRGB holds: what the network shows, LittleCMS finds in the result."""
    for icc, dtype in ((adobe_rgb_profile(), np.uint16), (P3, np.uint16), (P3, np.float32), (PROPHOTO, np.uint16)):
        aim = colours(np.uint16)
        start = np.full_like(aim, 30000)
        if dtype == np.float32:
            aim, start = (a.astype(np.float32) / np.float32(65535) for a in (aim, start))
        result = from_srgb(start, aim, space_of(icc))
        full = 1 if dtype == np.float32 else 65535
        found = cms(result.astype(np.float64) / full, icc, srgb_profile()) * 65535
        off = np.abs(found - aim / full * 65535)
        assert np.quantile(off, 0.9) < 2 and off.max() < 26  # near black a level of the space's is many of sRGB's


@pytest.mark.slow
def test_integers_and_floats_agree() -> None:
    space = space_of(P3)
    eight = colours(np.uint8)
    sixteen, floats = eight * np.uint16(257), eight.astype(np.float32) / np.float32(255)
    seen = to_srgb(eight, space)
    assert np.array_equal(to_srgb(sixteen, space), seen)
    assert np.abs(to_srgb(floats, space) - seen / 65535).max() < 1e-5
    assert np.abs(converted(eight, space) - to_srgb(floats, space) * 255).max() < 0.501


@pytest.mark.parametrize(
    "icc", [adobe_rgb_profile(), P3, profile_from_cicp(9, 13)], ids=["Adobe RGB", "P3", "Rec. 2020"]
)
@pytest.mark.parametrize(
    ("change", "mean"),
    [
        (lambda c: c, 0.01),
        (lambda c: coded(light(c) * 0.5), 0.5),
        (lambda c: c * 0.8 + 0.15, 0.1),
        (lambda c: c * 0.05 + 0.95, 0.2),
        (lambda c: c * 0.02, 0.2),
        (lambda c: duller(c, 0), 3.0),
        (lambda c: duller(c, 0.5), 2.5),
        (lambda c: coded(light(c) @ np.array([[0.3, 0.7, 0], [0.2, 0.4, 0.1], [0.1, 0.1, 0.5]]).T), 4.5),
    ],
    ids=["none", "darker", "flatter", "white", "black", "grey", "duller", "autumn"],
)
def test_colours_that_the_network_cannot_see_change_as_if_it_could(
    icc: bytes, change: Callable[[Array], Array], mean: float
) -> None:
    """A network that does the same to all colours, applied to what it may see, and to the wide numbers themselves."""
    space = space_of(icc)
    assert isinstance(space.transform, Matrix)
    picture = colours(np.float32)
    numbers = wide(picture.reshape(-1, 3), space.transform)
    outside = np.abs(numbers - np.clip(numbers, 0, 1)).max(-1) > 0.02
    assert outside.sum() > 1000
    seen = to_srgb(picture, space)
    result = from_srgb(picture, np.clip(change(seen.astype(np.float64)), 0, 1).astype(np.float32), space)
    ideal = np.clip(light(change(numbers)) @ space.transform.back.T.astype(np.float64), 0, 1)
    ideal_wide = coded(ideal @ space.transform.forward.T.astype(np.float64))
    off = deltaE_ciede2000(lab_of(result, icc), lab_of_wide(ideal_wide))
    assert off[outside].mean() < mean


@pytest.mark.parametrize("corner", [(0, 1, 0), (1, 0, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_the_way_from_a_saturated_colour_to_black_white_and_grey_is_smooth(icc: bytes, corner: tuple[int, ...]) -> None:
    space = space_of(icc)
    steps = np.linspace(0, 1, 400)[:, None]
    original = np.full((1, 400, 3), corner, np.float32)
    seen = to_srgb(original, space)[0]
    for end in (0, 0.5, 1):
        after = (seen * (1 - steps) + end * steps).astype(np.float32)
        result = from_srgb(original, after[None], space)[0]
        assert np.abs(np.diff(result, axis=0)).max() < 0.15  # coded by a gamma, the first step off black is a long one
        assert result.min() >= 0 and result.max() <= 1
        chroma = lambda c: c.max(-1) - c.min(-1)  # noqa: E731
        assert (np.diff(chroma(to_srgb(result[None], space)[0])) < 0.03).all()
        assert np.ptp(to_srgb(result[None], space)[0, -1]) < 0.01


# Profiles that are tables


def test_a_table_is_seen_as_littlecms_sees_it() -> None:
    space = space_of(SCANNER)
    assert isinstance(space.transform, Grid)
    picture = colours(np.uint16)
    theirs = cms(picture.astype(np.float64) / 65535, SCANNER, srgb_profile())
    off = np.abs(to_srgb(picture, space) / 65535 - np.clip(theirs, 0, 1)) * 65535
    assert np.median(off) < 20 and np.quantile(off, 0.99) < 400  # an 8-bit step is 257


def test_a_table_is_gone_back_through_to_where_the_network_put_a_colour() -> None:
    space = space_of(SCANNER)
    inside = colours(np.float32) * np.float32(0.6) + np.float32(0.2)  # device colours that sRGB holds
    aim = to_srgb(inside, space)
    start = colours(np.float32, seed=1) * np.float32(0.6) + np.float32(0.2)
    shown = (aim > 0.01).all(-1) & (aim < 0.99).all(-1)
    result = from_srgb(start, aim, space)
    found = to_srgb(result, space)
    assert np.quantile(np.abs(found - aim)[shown], 0.97) < 2 / 255


def test_a_scan_in_linear_light_keeps_its_shadows() -> None:
    linear = lut_profile(lambda places: scanner(places ** (1 / 1.8)), nodes=33)
    space = space_of(linear)
    ramp = np.linspace(0, 0.05, 500, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    theirs = np.clip(cms(ramp.astype(np.float64), linear, srgb_profile()), 0, 1)
    assert np.abs(to_srgb(ramp, space) - theirs).max() < 1.5 / 255


# Profiles made


MADE = {
    "sRGB": srgb_profile(),
    "Adobe RGB": adobe_rgb_profile(),
    "ProPhoto": PROPHOTO,
    "Display P3": P3,
    "BT.2020": profile_from_cicp(9, 1) or b"",
    "gamma": profile_from_png((55556).to_bytes(4, "big"), None) or b"",
}


@pytest.mark.parametrize("name", MADE)
def test_profiles_made_are_read_by_others(tmp_path: Path, name: str) -> None:
    profile = MADE[name]
    theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert ImageCms.getProfileDescription(theirs).strip() == read_profile(profile)[0].name
    ImageCms.buildTransform(theirs, ImageCms.createProfile("sRGB"), "RGB", "RGB")  # type: ignore[arg-type]
    white = cms(np.ones((1, 1, 3)), profile, srgb_profile())
    assert np.abs(white - 1).max() < 1e-4
    if exiftool := shutil.which("exiftool"):
        (tmp_path / "a.icc").write_bytes(profile)
        answer = subprocess.run(
            [exiftool, "-validate", "-warning", "-error", "-a", tmp_path / "a.icc"], capture_output=True, text=True
        )
        assert answer.returncode == 0 and answer.stdout.split(":")[1].strip() == "OK", answer.stdout + answer.stderr


def test_profiles_made_agree_with_the_real_ones(shared: Path) -> None:
    for file, made in (("exiv2__Reagan.jpg", adobe_rgb_profile()), ("photoprism__Iceland-P3.jpg", P3)):
        with Image.open(shared / "data/camera-jpegs" / file) as image:
            real = image.info["icc_profile"]
        ours, theirs = (to_srgb(colours(np.uint8), space_of(profile)).astype(int) for profile in (made, real))
        assert np.abs(ours - theirs).max() < 0.5 * 257


def test_a_png_says_its_gamma_and_primaries(shared: Path) -> None:
    adobe = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    profile = profile_from_png((45470).to_bytes(4, "big"), adobe)
    assert profile is not None
    ours, theirs = (to_srgb(colours(np.uint8), space_of(p)).astype(int) for p in (profile, adobe_rgb_profile()))
    assert np.abs(ours - theirs).max() < 30
    data = (shared / "data/odd/libavif-1.4.2__ffffcc-gamma1.6.png").read_bytes()
    at = data.index(b"gAMA") + 4
    linear = profile_from_png(data[at : at + 4], None)
    assert linear is not None and profile_from_png(None, None) is None
    for gama, chrm in ((bytes(4), None), (b"\xff" * 4, None), (b"", b""), (None, bytes(32)), (None, b"\xff" * 32)):
        assert profile_from_png(gama, chrm) is None


@pytest.mark.parametrize("transfer", [1, 4, 5, 6, 7, 8, 13, 14, 15])
def test_code_points_give_profiles_with_those_curves(transfer: int) -> None:
    middle = {4: 0.5**2.2, 5: 0.5**2.8, 7: (0.6115 / 1.1115) ** (1 / 0.45), 8: 0.5, 13: 0.21404}
    expected = middle.get(transfer, ((0.5 + 0.099) / 1.099) ** (1 / 0.45))
    for primaries in (9, 12, 4, 5, 6, 7):
        profile = profile_from_cicp(primaries, transfer)
        assert profile is not None
        way = space_of(profile).transform
        assert way is not None and abs(float(way.curves[0, 32768]) - expected) < 1e-3


def test_code_points_without_a_profile() -> None:
    for primaries, transfer in ((1, 13), (2, 2), (1, 2), (0, 13), (255, 255), (10, 17)):
        assert profile_from_cicp(primaries, transfer) is None
    for transfer in (16, 18):
        with pytest.raises(HighDynamicRangeError):
            profile_from_cicp(9, transfer)


# Other models


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_inks_follow_their_profile(dtype: Any) -> None:
    def press(inks: Array) -> Array:
        return scanner((1 - inks[:, :3]) * (1 - inks[:, 3:]))

    profile = lut_profile(press, model=b"CMYK", nodes=9)
    inks = colours(dtype, 4)
    ours, notices = cmyk_to_srgb(inks, profile)
    assert ours.dtype == dtype and ours.shape == (*inks.shape[:2], 3) and not notices
    full = np.iinfo(dtype).max
    theirs = np.clip(cms(inks.astype(np.float64) / full * 100, profile, srgb_profile(), "cmyk"), 0, 1)
    assert np.quantile(np.abs(ours / full - theirs), 0.95) < 4 / 255
    rough, doubts = cmyk_to_srgb(inks, adobe_rgb_profile())
    assert len(doubts) == 1 and rough.dtype == dtype
    assert np.array_equal(rough[inks[..., 3] == full], np.zeros_like(rough[inks[..., 3] == full]))


def test_a_real_lab_picture_looks_as_littlecms_makes_it(shared: Path) -> None:
    import tifffile

    file = shared / "data/odd/Pillow__hopper.Lab.tif"
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages[0]
        stored, interpretation = page.asarray(), int(page.photometric)  # type: ignore[union-attr]
    ours = lab_to_srgb(stored, signed=interpretation == 8)
    lab = np.stack([stored[..., 0] / 2.55, *np.moveaxis(stored[..., 1:].astype(np.int8), -1, 0)], axis=-1)
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    theirs = np.rint(np.clip(cms(lab, made, srgb_profile(), "lab"), 0, 1) * 255)
    assert interpretation == 8 and np.abs(ours - theirs).max() <= 1


def test_the_encodings_of_lab_agree() -> None:
    signed = colours(np.uint8, 4)
    offset = signed.copy()
    offset[..., 1:3] ^= 0x80
    expected = lab_to_srgb(signed)
    assert np.array_equal(lab_to_srgb(offset, signed=False), expected) and np.array_equal(
        expected[..., 3], signed[..., 3]
    )
    wide_signed = np.dstack([signed[..., 0] * np.uint16(257), signed[..., 1:3] * np.uint16(256)])
    wide_offset = np.dstack([signed[..., 0] * np.uint16(256), offset[..., 1:3] * np.uint16(256)])
    for deep, is_signed in ((wide_signed, True), (wide_offset, False)):
        assert np.abs(lab_to_srgb(deep, signed=is_signed) / 257 - expected[..., :3]).max() < 0.51


def test_arrays_that_do_not_go_together_are_refused(one_sentence: Callable[[object], str]) -> None:
    space, picture = space_of(P3), colours(np.uint8)
    for call in (
        lambda: to_srgb(picture.astype(np.float64), space),
        lambda: to_srgb(picture[..., 0], space),
        lambda: from_srgb(picture, picture, space),
        lambda: from_srgb(picture, to_srgb(picture, space)[:-1], space),
        lambda: from_srgb(picture, to_srgb(picture, space), space, out=picture[:-1]),
        lambda: cmyk_to_srgb(picture, None),
        lambda: lab_to_srgb(picture[..., :2]),
    ):
        with pytest.raises(UsageError) as error:
            call()
        one_sentence(error.value)
