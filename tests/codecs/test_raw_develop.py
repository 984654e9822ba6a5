"""RAW: upright, as bright as the preview, and honest about damage."""

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lptn_retouch.codecs.raw.exposure import (
    curve,
    default_gain,
    gain_from_preview,
    linear_from_srgb,
    midtones,
    srgb16_table,
)
from lptn_retouch.codecs.raw.kind import cut_short, directories
from lptn_retouch.errors import PhotoError, UnreadablePhotoError
from lptn_retouch.opening import open_photo
from lptn_retouch.photo import Photo
from tests.builders import tiff_directories, xmp_packet

SIZES = {
    "bsd3-lg-h815.dng": (600, 338),
    "cc0-canon-s40-crop.dng": (576, 384),
    "cc0-canon-s40.crw": (2272, 1704),
    "cc0-kodak-dc120-0.kdc": (1301, 976),
    "cc0-kodak-dc120-1.kdc": (1301, 976),
    "cc0-kodak-dc50-0.kdc": (768, 512),
    "cc0-kodak-dc50-1.kdc": (768, 512),
    "local-only-canon-eos30d.cr2": (3504, 2335),
}
Raw = Callable[[str], Path]
NO_PREVIEW = "cc0-canon-s40-crop.dng"


@pytest.fixture(scope="module")
def raw(photograph: Callable[[str], Path]) -> Callable[[str], Path]:
    return lambda name: photograph(f"raw/{name}")


@pytest.fixture(scope="module")
def developed(shared: Path) -> dict[str, Photo]:
    folder = shared / "data" / "raw"
    return {name: open_photo(folder / name) for name in SIZES if (folder / name).is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_raw_is_developed_upright_at_its_own_size_and_depth(raw: Raw, developed: dict[str, Photo], name: str) -> None:
    raw(name)
    photo = developed[name]
    assert (photo.width, photo.height) == SIZES[name]
    assert photo.pixels.dtype == np.uint16 and photo.source.bit_depth == 16 and photo.color_space == "sRGB"
    assert photo.metadata.orientation == 1
    assert photo.source.format == f"RAW:{name[-3:].upper()}"
    assert len(np.unique(photo.pixels)) > 256  # more than 8 bits are in it


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SIZES if name != NO_PREVIEW])
def test_midtones_are_the_preview_s(raw: Raw, developed: dict[str, Photo], name: str) -> None:
    """Against the preview as another reader, rawpy with Pillow's own resizing, sees it."""
    import io

    import rawpy
    from PIL import Image

    with rawpy.imread(str(raw(name))) as file:
        thumb = file.extract_thumb()
    data = Image.open(io.BytesIO(thumb.data)) if isinstance(thumb.data, bytes) else Image.fromarray(thumb.data)
    preview = np.asarray(data.convert("RGB").resize((96, 64), Image.Resampling.BOX))
    eight = Image.fromarray((developed[name].pixels >> 8).astype(np.uint8))
    picture = np.asarray(eight.resize((96, 64), Image.Resampling.BOX))
    stops = np.median(np.log2(midtones(linear_from_srgb(picture)) / midtones(linear_from_srgb(preview))))
    assert abs(stops) < 0.2
    assert not any("preview" in notice for notice in developed[name].notices)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bsd3-lg-h815.dng", "cc0-canon-s40.crw", "local-only-canon-eos30d.cr2"])
def test_the_picture_lies_as_its_preview_does(raw: Raw, developed: dict[str, Photo], name: str) -> None:
    """Of the four turns and two mirrorings, the preview must agree best with none."""
    import io

    import rawpy
    from PIL import Image

    with rawpy.imread(str(raw(name))) as file:
        preview = Image.open(io.BytesIO(file.extract_thumb().data)).convert("L").resize((64, 64))
    mine = Image.fromarray((developed[name].pixels >> 8).astype(np.uint8)).convert("L").resize((64, 64))
    a, b = np.asarray(preview, float), np.asarray(mine, float)
    ways = [np.rot90(c, turns) for c in (b, np.fliplr(b)) for turns in range(4)]
    agreement = [np.corrcoef(a.ravel(), way.ravel())[0, 1] for way in ways]
    assert int(np.argmax(agreement)) == 0
    assert agreement[0] > 0.9


@pytest.mark.slow
def test_without_preview_a_notice_and_a_middling_brightness(developed: dict[str, Photo]) -> None:
    photo = developed[NO_PREVIEW]
    assert any("no usable preview" in notice for notice in photo.notices)
    assert 0.3 < np.median(photo.pixels) / 65535 < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_a_camera_on_its_side(
    raw: Raw, tmp_path: Path, developed: dict[str, Photo], orientation: int, turns: int
) -> None:
    data = bytearray(raw(NO_PREVIEW).read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    entries = [first + 2 + 12 * i for i in range(struct.unpack_from("<H", data, first)[0])]
    at = next(at for at in entries if struct.unpack_from("<H", data, at)[0] == 0x0112)
    struct.pack_into("<H", data, at + 8, orientation)
    (tmp_path / "side.dng").write_bytes(data)
    photo = open_photo(tmp_path / "side.dng")
    assert np.array_equal(photo.pixels, np.rot90(developed[NO_PREVIEW].pixels, turns))
    assert photo.metadata.orientation == 1


@pytest.mark.slow
def test_raw_under_a_name_that_is_not_utf_8(raw: Raw, tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xe9t\xe9.dng")
    Path(name).write_bytes(raw(NO_PREVIEW).read_bytes())
    photo = open_photo(name)
    assert photo.source.format == "RAW:DNG"
    assert photo.save(tmp_path / os.fsdecode(b"\xe9t\xe9.jpg")).path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_a_cut_raw_never_passes_for_whole(raw: Raw, tmp_path: Path, name: str) -> None:
    data = raw(name).read_bytes()
    for part in (0.01, 0.3, 0.95, 0.999):
        (tmp_path / "cut").write_bytes(data[: int(len(data) * part)])
        with pytest.raises(PhotoError):
            open_photo(tmp_path / "cut")


@pytest.mark.slow
def test_a_flipped_lossy_dng_says_so(raw: Raw, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(raw("bsd3-lg-h815.dng").read_bytes())
    data[24144 + 30000 : 24144 + 30010] = b"\xff\xc4" * 5
    (tmp_path / "bad.dng").write_bytes(data)
    with pytest.raises(UnreadablePhotoError, match="damaged"):
        open_photo(tmp_path / "bad.dng")
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_raw_to_jpeg_carries_the_shooting_data(tmp_path: Path, developed: dict[str, Photo]) -> None:
    from PIL import Image

    photo = developed["cc0-canon-s40.crw"]
    with Image.open(photo.save(tmp_path / "a.jpg").path) as image:
        assert image.size == (2272, 1704)
        assert "Canon" in str(image.getexif()[0x010F])


@pytest.mark.slow
def test_a_raw_s_sixteen_bits_stay_or_are_rounded_as_asked(tmp_path: Path, developed: dict[str, Photo]) -> None:
    photo = developed["cc0-kodak-dc50-0.kdc"]
    photo.save(tmp_path / "deep.png")
    assert np.array_equal(open_photo(tmp_path / "deep.png").pixels, photo.pixels)
    photo.save(tmp_path / "flat.png", bit_depth=8)
    expected = np.rint(photo.pixels.astype(np.float64) / 257).astype(np.uint8)
    assert np.array_equal(open_photo(tmp_path / "flat.png").pixels, expected)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.07, 60))
@example(57.4296875)  # in single precision two neighbours changed places here
def test_the_tone_curve_keeps_order_ends_and_midtones(gain: float) -> None:
    table = srgb16_table(gain)
    assert table[0] == 0 and table[-1] == 65535
    assert (np.diff(table.astype(int)) >= 0).all()
    assert len(np.unique(table[60000:])) > 5  # highlights stay apart, whatever the gain
    low = np.linspace(0, 0.5 * min(1, 1 / gain), 10, dtype=np.float32)
    assert np.allclose(curve(low, gain), low * gain, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 20), st.integers(0, 1000))
def test_the_gain_is_found_again(gain: float, seed: int) -> None:
    scene = np.random.default_rng(seed).beta(1.2, 6, (40, 40, 3)).astype(np.float32)
    found = gain_from_preview(scene, curve(scene, gain))
    assert found is not None and found == pytest.approx(gain, rel=0.01)


def test_a_black_preview_is_no_guide() -> None:
    scene = np.full((4, 4, 3), 0.2, np.float32)
    assert gain_from_preview(scene, np.zeros((4, 4, 3), np.float32)) is None
    assert default_gain(scene) == pytest.approx(0.9, rel=0.01)
    assert default_gain(scene / 1000) == 4.0


def test_a_file_is_cut_short_when_its_main_picture_ends_behind_it() -> None:
    preview, sensor = {262: (2,), 273: (5000,), 279: (5000,)}, {262: (32803,), 273: (900, 1000), 279: (100, 100)}
    both = directories(io.BytesIO(tiff_directories(preview, sensor)))
    assert not cut_short(both, 1100)  # the preview is cut, which harms nobody
    assert cut_short(both, 1099)
    alone = directories(io.BytesIO(tiff_directories(preview)))
    assert cut_short(alone, 9999) and not cut_short(alone, 10000)
    assert not cut_short([], 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("part", [0.5, 0.8, 0.95, 0.99])
def test_a_raw_whose_end_became_zeros_is_refused_or_doubted(raw: Raw, tmp_path: Path, name: str, part: float) -> None:
    """As a card or a copy leaves it that failed half way, at its full length."""
    data = raw(name).read_bytes()
    keep = int(len(data) * part)
    (tmp_path / "hole").write_bytes(data[:keep] + bytes(len(data) - keep))
    try:
        photo = open_photo(tmp_path / "hole")
    except PhotoError:
        return
    # 99 % of this one end within its last eight rows, which is too few to tell from a smooth picture.
    assert any("rows" in notice for notice in photo.notices) or (name, part) == (NO_PREVIEW, 0.99)


def test_smooth_and_overexposed_ends_are_not_doubted() -> None:
    from types import SimpleNamespace

    from lptn_retouch.codecs.raw.develop import _ends_flat

    def ends_flat(rows: np.ndarray) -> bool:
        return _ends_flat(SimpleNamespace(raw_image_visible=rows, white_level=4000))

    noise = np.random.default_rng(3).integers(60, 70, (400, 300)).astype(np.uint16)
    assert not ends_flat(noise)
    assert not ends_flat(np.full((400, 300), 512, np.uint16)), "a test chart is flat all over"
    for tail in (noise.copy(), noise.copy(), noise.copy(), np.stack([noise] * 4, axis=2)):
        tail[-9:] = 4000
        assert not ends_flat(tail), "white is white"
        tail[-9:] = 0
        assert ends_flat(tail)
        tail[-1, 7] = 9
        assert not ends_flat(tail)
    mosaic = noise.copy()
    mosaic[-12:] = np.tile(mosaic[-14:-12], (6, 1))
    assert ends_flat(mosaic), "the last two rows over and over"


@pytest.mark.slow
def test_a_raw_is_read_once_and_its_sidecar_is_found(raw: Raw, tmp_path: Path) -> None:
    packet = xmp_packet(
        '<rdf:Description xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure2012="+1.00"/>'
    )
    (tmp_path / "a.dng").write_bytes(raw(NO_PREVIEW).read_bytes())
    assert open_photo(tmp_path / "a.dng").metadata.xmp is None
    for sidecar in ("a.xmp", "a.dng.xmp"):
        (tmp_path / sidecar).write_bytes(packet)
        photo = open_photo(tmp_path / "a.dng")
        assert b'AlreadyApplied="True"' in (photo.metadata.xmp or b"")
        assert any("sidecar" in notice for notice in photo.notices)
        (tmp_path / sidecar).unlink()
    os.mkfifo(tmp_path / "a.xmp")  # which would hang whoever opens it without looking
    (tmp_path / "a.dng.xmp").write_text("no XMP")
    photo = open_photo(tmp_path / "a.dng")
    assert photo.metadata.xmp is None and any("sidecar" in notice for notice in photo.notices)
