"""Laws that hold of every container. The registry says which there are, so a new one is held to them unasked."""

import contextlib
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch.codecs.detect import detect
from lptn_retouch.codecs.format import Coding, Format
from lptn_retouch.codecs.registry import FORMATS, format_of, read_metadata
from lptn_retouch.codecs.registry import WRITTEN as BY_ENDING
from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.errors import MetadataError, PhotoError, UnwritablePhotoError
from lptn_retouch.metadata import Block, Metadata
from lptn_retouch.metadata.blocks import COMMENT, PNG_CHUNK
from lptn_retouch.metadata.exif.build import Field, build_exif
from lptn_retouch.metadata.photoshop import coded_resource
from lptn_retouch.metadata.resolution import resolution_fields
from lptn_retouch.opening import open_photo
from lptn_retouch.photo import Photo
from lptn_retouch.picture.picture import Source
from lptn_retouch.structures.tiff import RATIONAL, UNDEFINED, Tiff
from lptn_retouch.verify.containers import carried_by
from lptn_retouch.verify.tags import tags_of
from tests.builders import encoded, grey_profile, iptc_record, whole_exif, xmp_packet
from tests.places import SAMPLES

Sentence = Callable[[object], str]
Pixels = npt.NDArray[Any]
Kind = Format[Any]

WRITTEN = tuple(format for format in FORMATS if format.holds)
DECODED = tuple(format for format in FORMATS if not format.develops)
LIBRARY_WORDS = ("unpack", "b'", "IMCD", "list index", "errno", "decoder", "driver", "buffer", "codec")
TYPES = {8: np.uint8, 16: np.uint16, 32: np.float32}
ACROSS, DOWN = np.meshgrid(np.linspace(0.1, 0.9, 56), np.linspace(0.2, 0.7, 40))
SMOOTH = np.stack([0.7 * ACROSS + 0.3 * DOWN, DOWN, ACROSS, 0.5 + ACROSS / 2], axis=2)


def each(formats: tuple[Kind, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("format", formats, ids=lambda format: format.name)


def shapes() -> list[Any]:
    """Every depth and number of channels that each container holds: 1 and 2 are grey."""
    return [
        pytest.param(format, depth, channels, id=f"{format.name}-{depth}-{channels}")
        for format in WRITTEN
        for depth in format.holds.depths
        for channels in (1, 2, 3, 4)
        if (format.holds.grey or channels > 2) and (format.holds.alpha or channels % 2)
    ]


def samples(depth: int, channels: int) -> Pixels:
    """A smooth picture, as a codec is handed it; lossy ones lose little of it."""
    picture = SMOOTH[:, :, [0, 1, 2, 3] if channels > 2 else [0, 3]][:, :, :channels]
    scaled = picture if depth == 32 else np.rint(picture * ((1 << depth) - 1))
    return np.ascontiguousarray((scaled[:, :, 0] if channels == 1 else scaled).astype(TYPES[depth]))


def file_of(format: Kind, pixels: Pixels, metadata: Metadata | None = None) -> tuple[bytes, tuple[str, ...]]:
    """A picture's file as `saving` puts it together, and what the container had no place for."""
    head, *rest = format.encode(pixels, Coding(byte_order=metadata.byte_order if metadata else "<"))
    spliced, notices = format.embed(bytes(head), metadata) if metadata else (bytes(head), ())
    return b"".join((spliced, *rest)), notices


def opened(folder: Path, data: bytes) -> Photo:
    (folder / "picture").write_bytes(data)
    return open_photo(folder / "picture")


@cache
def sound(format: Kind) -> bytes:
    """A small sound file of a container, with metadata where we write it."""
    if format.holds:
        return file_of(format, samples(8, 3), Metadata.build(exif=whole_exif(), xmp=xmp_packet()))[0]
    if format.develops:
        return (SAMPLES / "canon-s40.crw").read_bytes()
    picture = Image.fromarray(samples(8, 3))
    if format.name == "HEIC":
        pytest.importorskip("pillow_heif").register_heif_opener()
        return encoded(picture, "HEIF")
    return encoded(picture, format.name)


def values(exif: bytes | None) -> dict[tuple[str, int], bytes]:
    """Each tag's bytes, but for pointers from one directory to another."""
    tiff = Tiff(exif or b"")
    first = tiff.ifd(tiff.first)
    groups = {"IFD0": first, "Exif": tiff.pointed(first, 0x8769), "GPS": tiff.pointed(first, 0x8825)}
    pointers = (0x8769, 0x8825)
    return {(g, e.tag): tiff.raw(e) for g, i in groups.items() if i for e in i.entries if e.tag not in pointers}


# What is written


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("format", "depth", "channels"), shapes())
def test_metadata_is_read_again_as_it_was_put_in_and_the_picture_is_the_same(
    tmp_path: Path, format: Kind, depth: int, channels: int, order: str
) -> None:
    pixels = samples(depth, channels)
    metadata = Metadata.build(exif=whole_exif(order), xmp=xmp_packet())
    if format.holds and format.holds.profiles:
        profile = grey_profile() if channels < 3 else adobe_rgb_profile() + bytes(70_000)
        metadata = metadata.with_icc(len(profile).to_bytes(4, "big") + profile[4:])
    bare = format.encode(pixels, Coding(byte_order=order))
    whole, notices = file_of(format, pixels, metadata)
    again = read_metadata(whole, format.name)
    assert notices == ()
    assert (again.xmp, again.icc) == (metadata.xmp, metadata.icc)
    assert again.exif and again.exif[777:786] == b"Nikon\0\2ab", "offsets in a maker note count from the EXIF's start"
    if format.name == "TIFF":  # whose first directory is that of its EXIF, and says more
        assert values(metadata.exif).items() <= values(again.exif).items()
    else:
        assert again.exif == metadata.exif
    expected = opened(tmp_path, b"".join(bare)).pixels
    assert np.array_equal(opened(tmp_path, whole).pixels, expected)
    if depth == 8 and format.endings[0] in Image.registered_extensions():  # an independent reader, of what it reads
        with Image.open(tmp_path / "picture") as image:
            assert image.info.get("icc_profile") in (None, metadata.icc)
            assert image.getexif().get(0x010F, "Maker") == "Maker"


WORDS = b"Taken at dawn"
DENSITY = Block(0xE0, b"JFIF\0\1\1\1" + (300).to_bytes(2, "big") * 2 + bytes(2))
PARTS = {
    "EXIF": (Metadata.build(exif=build_exif("<", [Field(0x010E, 2, 13, WORDS)])), ""),
    "XMP": (Metadata.build(xmp=xmp_packet(f"<!-- {WORDS.decode()} -->")), ""),
    "caption": (Metadata.build(photoshop=coded_resource(0x0404, iptc_record(120, WORDS))), ""),
    "resource": (Metadata.build(photoshop=coded_resource(0x03F3, WORDS)), "Photoshop"),
    "comment": (Metadata((Block(COMMENT, WORDS),)), "comment"),
    "text": (Metadata((Block(PNG_CHUNK, b"tEXtTitle\0" + WORDS),)), "text"),
    "segment": (Metadata((Block(0xE4, b"SEFT" + WORDS),)), "APP4"),
}
"""One piece of metadata each, which holds these words, and what a notice calls it."""


@pytest.mark.parametrize("part", PARTS)
@each(WRITTEN)
def test_each_part_alone_is_found_again_or_named_in_one_sentence(
    format: Kind, part: str, one_sentence: Sentence
) -> None:
    metadata, name = PARTS[part]
    whole, notices = file_of(format, samples(8, 3), metadata)
    kept = any(WORDS in block.data for block in read_metadata(whole, format.name).blocks)
    assert kept == (notices == ())
    if not kept:
        assert name and name in one_sentence(*notices)
        assert {block.kind for block in metadata.blocks}.isdisjoint(format.carries)


@pytest.mark.parametrize(
    "block", [DENSITY, Block(PNG_CHUNK, b"pHYs" + (11811).to_bytes(4, "big") * 2 + b"\1")], ids=["JFIF", "PNG"]
)
@each(WRITTEN)
def test_a_resolution_stays_wherever_it_stood(format: Kind, block: Block) -> None:
    whole, notices = file_of(format, samples(8, 3), Metadata((block,)))
    again = read_metadata(whole, format.name)
    found = {field.tag: field.data for field in resolution_fields(again, "<")}
    if not found:
        found = {tag: value for (_, tag), value in values(again.exif).items()}
    across, parts = np.frombuffer(found[282], "<u4")
    unit = {2: 1.0, 3: 2.54}[int.from_bytes(found[296], "little")]
    assert notices == () and across / parts * unit == pytest.approx(300, abs=0.5)


@each(WRITTEN)
def test_metadata_is_put_into_nothing_but_a_picture_of_the_container(format: Kind) -> None:
    for torn in (b"", bytes(64), b"GIF89a" + bytes(64)):
        with pytest.raises(MetadataError):
            format.embed(torn, Metadata.build(exif=whole_exif(), xmp=xmp_packet()))


@pytest.mark.parametrize("ending", BY_ENDING)
def test_the_extension_decides_the_format(tmp_path: Path, ending: str) -> None:
    for name in (f"a{ending}", f"b{ending.upper()}"):
        saved = Photo(samples(8, 3)).save(tmp_path / name)
        assert saved.notices == () and open_photo(saved.path).source.format == BY_ENDING[ending].name
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{ending}", f"b{ending.upper()}"]
    if ending in Image.registered_extensions():
        with Image.open(saved.path) as image:
            assert Image.registered_extensions()[ending] == image.format


@pytest.mark.parametrize(("format", "depth", "channels"), shapes())
def test_pictures_come_back_at_the_depth_and_with_the_channels_that_the_container_holds(
    tmp_path: Path, format: Kind, depth: int, channels: int
) -> None:
    pixels = samples(depth, channels)
    shown = (
        pixels if channels > 2 else np.dstack([pixels.reshape(40, 56, -1)[:, :, :1]] * 3 + [pixels] * (channels == 2))
    )
    shown = shown[:, :, [0, 1, 2, 4]] if channels == 2 else shown
    photo = Photo(shown, source=Source(grey=channels < 3))
    for quality, most in ((95, 0.005), (70, 0.02)):
        again = open_photo(photo.save(tmp_path / f"a{format.endings[0]}", quality=quality).path)
        assert again.source.bit_depth == depth and again.source.grey == (channels < 3) and again.color_space == "sRGB"
        assert again.pixels.dtype == shown.dtype and again.pixels.shape == shown.shape and not again.notices
        error = np.abs(again.pixels.astype(np.float64) - shown) / (1 if depth == 32 else (1 << depth) - 1)
        assert error.max() == 0 if format.holds and format.holds.lossless else error.mean() < most
        assert depth == 8 or len(np.unique(again.pixels[:, :, 0])) > 256, "more than 8 bits are in it"


@each(WRITTEN)
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 4]), st.integers(0, 2**32 - 1))
def test_pictures_of_any_size_are_written(format: Kind, height: int, width: int, channels: int, seed: int) -> None:
    assert format.holds
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    pixels = pixels if format.holds.alpha else pixels[:, :, :3]
    with tempfile.TemporaryDirectory() as folder:
        again = open_photo(Photo(pixels).save(Path(folder, f"a{format.endings[0]}")).path)
    assert again.pixels.shape == pixels.shape
    assert np.array_equal(again.pixels, pixels) or not format.holds.lossless


@each(WRITTEN)
def test_what_a_container_does_not_hold_is_refused_or_said(tmp_path: Path, format: Kind) -> None:
    holds, target = format.holds, tmp_path / f"a{format.endings[0]}"
    assert holds
    for depth in {8, 16, 32}.difference(holds.depths):
        with pytest.raises(UnwritablePhotoError, match="bits a channel"):
            Photo(samples(8, 3)).save(target, bit_depth=depth)
    assert not target.exists()
    saved = Photo(samples(8, 4)).save(target)
    assert any("transparency" in notice for notice in saved.notices) == (not holds.alpha)
    grey = Photo(samples(8, 3)[:, :, [0, 0, 0]], source=Source(grey=True))
    assert open_photo(grey.save(target).path).source.grey == holds.grey


@each(WRITTEN)
def test_the_largest_picture_that_is_written_opens_again_and_a_larger_one_is_refused(
    tmp_path: Path, format: Kind
) -> None:
    target, holds = tmp_path / f"a{format.endings[0]}", format.holds
    assert holds
    if holds.longest:
        for shape in ((1, holds.longest, 3), (holds.longest, 1, 3)):
            assert open_photo(Photo(np.zeros(shape, np.uint8)).save(target).path).pixels.shape == shape
            with pytest.raises(UnwritablePhotoError, match=str(holds.longest)):
                Photo(np.zeros(np.add(shape, (shape[0] > 1, shape[1] > 1, 0)), np.uint8)).save(target)
    if holds.largest:
        huge = np.broadcast_to(np.uint8(0), (holds.largest // 16384 + 1, 16384, 3))  # takes no room
        with pytest.raises(UnwritablePhotoError, match=f"{holds.largest:,}"):
            Photo(huge).save(target)


@each(WRITTEN)
def test_numbers_stay_in_their_colour_space_or_are_said_to_become_srgb(tmp_path: Path, format: Kind) -> None:
    photo = Photo(samples(8, 3), metadata=Metadata.build(icc=adobe_rgb_profile()))
    saved = photo.save(tmp_path / f"wide{format.endings[0]}", quality=95)
    again = open_photo(saved.path)
    if format.holds and format.holds.profiles:
        assert again.color_space == "Adobe RGB (1998)" and saved.notices == ()
        assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 2
    else:
        assert again.color_space == "sRGB" and any("sRGB" in notice for notice in saved.notices)
        assert np.abs(again.pixels.astype(int) - photo.to_srgb().pixels).mean() < 2
    grey = replace(photo.source, grey=True)
    photo = Photo(np.full((16, 24, 3), 60, np.uint8), metadata=Metadata.build(icc=grey_profile()), source=grey)
    again = open_photo(photo.save(tmp_path / f"grey{format.endings[0]}", quality=95).path)
    assert abs(int(again.to_srgb().pixels[8, 12, 1]) - 133) <= 2 and not again.notices  # of linear light


BROKEN_EXIF = {
    "no TIFF header": b"MZ\0*garbage" * 9,
    "cut after the header": b"II*\0\x08\0\0\0",
    "first directory outside": b"MM\0*\x7f\xff\xff\xff",
    "a loop of directories": b"II*\0\x08\0\0\0" + bytes(2) + b"\x08\0\0\0",
    "a resolution that is no number": build_exif("<", [Field(0x011A, UNDEFINED, 1, b"\0")]),
    "a resolution over zero": build_exif("<", [Field(0x011A, RATIONAL, 1, bytes(8)), Field(0x0128, 3, 1, b"\2\0")]),
}


@pytest.mark.parametrize("harm", BROKEN_EXIF)
@each(WRITTEN)
def test_broken_metadata_neither_costs_the_picture_nor_spoils_the_result(
    tmp_path: Path, format: Kind, harm: str
) -> None:
    """Some decoders refuse a whole picture for its EXIF, so it must not go where they would."""
    metadata = Metadata.build(exif=BROKEN_EXIF[harm], xmp=b"\xff\xfe not UTF-8")
    saved = Photo(samples(8, 3), metadata=metadata).save(tmp_path / f"a{format.endings[0]}")
    assert open_photo(saved.path).pixels.shape == (40, 56, 3)
    if format.endings[0] in Image.registered_extensions():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it may be said that EXIF is broken
            with Image.open(saved.path) as result:
                result.load()
                assert result.size == (56, 40)


# What is read


@each(FORMATS)
def test_the_content_decides_and_not_the_name(tmp_path: Path, format: Kind) -> None:
    kind = detect(sound(format))
    assert kind and format_of(kind) is format
    for other in FORMATS:
        assert other.recognises(sound(format)[:64]) == (other is format and not format.develops)
        (tmp_path / f"a{other.endings[0]}").write_bytes(sound(format))
    for path in [*tmp_path.iterdir()][: 1 if format.develops else None]:
        assert open_photo(path).source.format == kind


@each(DECODED)
def test_a_cut_file_never_passes_for_whole(tmp_path: Path, format: Kind, one_sentence: Sentence) -> None:
    data = sound(format)
    whole, refused = opened(tmp_path, data).pixels, 0
    for length in (*range(0, len(data), max(1, len(data) // 40)), len(data) - 1):
        try:
            assert np.array_equal(opened(tmp_path, data[:length]).pixels, whole), length
        except PhotoError as error:
            refused += 1
            assert one_sentence(error).startswith(str(tmp_path))
    assert refused >= 20


@st.composite
def hurt(draw: st.DrawFn, data: bytes) -> bytes:
    """A file with a few bytes flipped, or a number in it that is far too large or nought, or cut short."""
    damaged = bytearray(data)
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, min(len(data), 4096) - 1) | st.integers(0, len(data) - 1))
        new = draw(st.binary(min_size=1, max_size=1) | st.sampled_from((b"\xff" * 4, bytes(4), b"\0\0\0\1", b"")))
        damaged[at : at + max(len(new), 1)] = new
    return bytes(damaged[: draw(st.none() | st.integers(0, len(damaged)))])


@pytest.mark.slow
@each(FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_metadata_of_a_damaged_file_is_read_without_an_exception_and_goes_into_a_picture(
    format: Kind, data: st.DataObject
) -> None:
    damaged = data.draw(hurt(sound(format)))
    metadata = read_metadata(damaged, format.name)
    assert sum(len(block.data) for block in metadata.blocks) < len(damaged) + 65536
    with contextlib.suppress(MetadataError):
        tags_of(carried_by(damaged, detect(damaged) or format.name))
    if format.holds:
        pixels = samples(8, 3)
        whole, _ = file_of(format, pixels, metadata)
        with tempfile.TemporaryDirectory() as folder:
            assert opened(Path(folder), whole).pixels.shape == pixels.shape


@pytest.mark.slow
@each(DECODED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_opens_or_is_refused_in_a_sentence_of_ours(
    one_sentence: Sentence, format: Kind, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            opened(Path(folder), data.draw(hurt(sound(format))))
        except PhotoError as error:
            said = one_sentence(error).removeprefix(folder)
            assert not [word for word in LIBRARY_WORDS if word in said], said


@each(FORMATS)
def test_no_reader_of_metadata_trips_over_another_s_files(format: Kind) -> None:
    for other in FORMATS:
        read_metadata(sound(other)[:100_000], format.name)


@each(FORMATS)
def test_no_reader_of_metadata_trips_over_real_damaged_and_odd_files(format: Kind, shared: Path) -> None:
    files = [path for folder in ("damaged", "odd") for path in sorted((shared / "data" / folder).iterdir())]
    assert len(files) > 50
    for path in files:
        read_metadata(path.read_bytes(), format.name)
