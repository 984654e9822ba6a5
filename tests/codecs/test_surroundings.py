"""What stands around a picture in its file, long, odd or damaged, never costs the picture; messages are the file's."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lptn_retouch.codecs.detect import detect
from lptn_retouch.codecs.png import pixels as png
from lptn_retouch.color import adobe_rgb_profile
from lptn_retouch.errors import PhotoError, UnreadablePhotoError, UnsupportedPhotoError, UsageError
from lptn_retouch.opening import open_photo
from tests.builders import encoded, png_chunk, tiff_file, with_png_chunks

Sentence = Callable[[object], str]

PIXELS = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
LIBRARY_WORDS = ("unpack", "b'", "IMCD", "list index", "errno", "decoder", "driver", "buffer", "codec")


def with_chunks(file: Path, *chunks: bytes, behind: bytes = b"") -> Path:
    file.write_bytes(with_png_chunks(file.read_bytes(), *chunks, behind=behind))
    return file


def saved(path: Path, **options: object) -> Path:
    Image.fromarray(PIXELS).save(path, **options)
    return path


@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_opens_with_a_profile_and_texts_of_many_megabytes(tmp_path: Path, bits: int) -> None:
    pixels = PIXELS if bits == 8 else PIXELS.astype(np.uint16) * 257
    (tmp_path / "a.png").write_bytes(png.encode(pixels))
    profile = adobe_rgb_profile() + bytes(3 << 20)  # bytes behind the profile's end are put up with
    profile = len(profile).to_bytes(4, "big") + profile[4:]
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b" " * (2 << 20) + b"</x:xmpmeta>"
    path = with_chunks(
        tmp_path / "a.png",
        png_chunk(b"iCCP", b"wide\0\0" + zlib.compress(profile)),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"long " * (1 << 20))),
    )
    photo = open_photo(path)
    assert np.array_equal(photo.pixels, pixels)
    assert photo.metadata.icc == profile and photo.metadata.xmp == xmp


@pytest.mark.slow
def test_a_text_that_inflates_without_end_stays_small(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(200 << 20))
    path = with_chunks(saved(tmp_path / "a.png"), png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb))
    photo = open_photo(path)
    assert np.array_equal(photo.pixels, PIXELS) and photo.metadata.xmp is None


def test_the_first_picture_of_a_png_opens_whatever_its_animation_is(tmp_path: Path) -> None:
    frame = struct.pack(">IIIIIHHBB", 7, 30, 20, 0, 0, 1, 10, 0, 0)  # the first in the sequence is 0
    later = struct.pack(">IIIIIHHBB", 1, 30, 20, 0, 0, 1, 10, 0, 0)
    path = with_chunks(
        saved(tmp_path / "a.png"),
        png_chunk(b"acTL", struct.pack(">II", 2, 0)),
        png_chunk(b"fcTL", frame),
        behind=png_chunk(b"fcTL", later) + png_chunk(b"fdAT", struct.pack(">I", 3) + b"rows"),
    )
    photo = open_photo(path)
    assert np.array_equal(photo.pixels, PIXELS)
    assert photo.notices == ("It holds 2 pictures, of which only the first is taken.",)


@pytest.mark.parametrize("kind", [b"sPLT", b"zTXt", b"tIME", b"hIST", b"iCCP"])
def test_a_damaged_chunk_that_makes_no_pixels_does_not_cost_a_png(tmp_path: Path, kind: bytes) -> None:
    damaged = bytearray(png_chunk(kind, b"words"))
    damaged[-1] ^= 1
    path = with_chunks(saved(tmp_path / "a.png"), bytes(damaged), behind=bytes(damaged))
    assert np.array_equal(open_photo(path).pixels, PIXELS)


def test_a_png_keeps_its_palette_and_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS).quantize(16)
    image.save(tmp_path / "a.png", transparency=bytes(range(16)))
    with Image.open(tmp_path / "a.png") as again:
        assert np.array_equal(open_photo(tmp_path / "a.png").pixels, np.asarray(again.convert("RGBA")))


@pytest.mark.parametrize("jfif", [b"JFIF", b"JFIF\0", b"JFIF\0\1", b"JFIF\0\1\2\0\0"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_with_an_empty_jfif_segment_opens(tmp_path: Path, jfif: bytes, mode: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.fromarray(PIXELS).convert(mode).save(tmp_path / "a.jpg", exif=exif.tobytes())
    whole, data = open_photo(tmp_path / "a.jpg"), (tmp_path / "a.jpg").read_bytes()
    start = data.index(b"\xff\xe0") if b"JFIF" in data else 2
    rest = start + 18 if b"JFIF" in data else 2
    stump = b"\xff\xe0" + struct.pack(">H", len(jfif) + 2) + jfif
    (tmp_path / "b.jpg").write_bytes(data[:start] + stump + data[rest:])
    photo = open_photo(tmp_path / "b.jpg")
    assert np.array_equal(photo.pixels, whole.pixels) and photo.source.subsampling == whole.source.subsampling
    assert photo.metadata.exif == whole.metadata.exif is not None
    with Image.open(photo.save(tmp_path / "c.jpg").path) as again:  # which Pillow refuses with such a segment
        assert again.size == (30, 20)


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"tRNS"])
def test_a_png_with_damage_in_what_makes_its_colours_is_refused_in_its_own_terms(
    tmp_path: Path, kind: bytes, one_sentence: Sentence
) -> None:
    Image.fromarray(PIXELS).quantize(16).save(tmp_path / "a.png", transparency=bytes(range(16)))
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[data.index(kind) + 4] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UnreadablePhotoError, match=f"check sum of its {kind.decode()} chunk is wrong") as caught:
        open_photo(tmp_path / "a.png")
    one_sentence(caught.value)


def hostile() -> dict[str, bytes]:
    """A damaged file of each kind, whose decoder has words of its own for it."""
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    files: dict[str, bytes] = {}
    for kind in ("jpg", "png", "gif", "webp", "avif", "bmp"):
        files[kind] = encoded(Image.fromarray(pixels), {"jpg": "JPEG"}.get(kind, kind.upper()))
        files[f"cut.{kind}"] = files[kind][: len(files[kind]) // 3]
        files[f"head.{kind}"] = files[kind][:40] + bytes(64)
    for name in ("jpg", "png", "gif", "webp", "avif", "bmp"):
        middle = len(files[name]) // 2
        files[name] = files[name][:middle] + bytes(200) + files[name][middle + 200 :]
    for compression in ("lzw", "deflate", "packbits", "jpeg"):
        data = tiff_file(pixels, compression=compression)
        middle = len(data) // 2
        files[f"{compression}.tif"] = data[:middle] + bytes(range(200)) + data[middle + 200 :]
    files["empty.tif"] = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    files["odd.dng"] = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 50706, 1, 4, 0x00000401) + bytes(4)
    files["odd.crw"] = b"II\x1a\0\0\0HEAPCCDR" + bytes(100)
    files["odd.raf"] = b"FUJIFILMCCD-RAW" + bytes(200)
    return files


def test_no_library_s_words_reach_the_user(tmp_path: Path, one_sentence: Sentence) -> None:
    refused = 0
    for name, data in hostile().items():
        (tmp_path / name).write_bytes(data)
        try:
            open_photo(tmp_path / name)
        except PhotoError as error:
            refused += 1
            said = one_sentence(error).removeprefix(str(tmp_path / name))
            assert not [word for word in LIBRARY_WORDS if word in said], said
            assert error.__cause__ is not None or "header promises" in said or "file ends before" in said, said
    assert refused > 15


VIDEOS = {
    "iPhone": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
    "MP4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
    "with pictures": b"\0\0\0\x1cftypmp42\0\0\0\0mp42mif1heic",
    "old QuickTime": b"\0\0\1\0moov",
    "AVI": b"RIFF\0\0\0\0AVI LIST",
    "WebM": b"\x1a\x45\xdf\xa3",
    "MPEG": b"\0\0\1\xba",
}


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_is_called_a_video(tmp_path: Path, name: str, one_sentence: Sentence) -> None:
    (tmp_path / "a.heic").write_bytes(VIDEOS[name] + bytes(100))
    with pytest.raises(UnsupportedPhotoError, match="this is a video, not a photograph") as caught:
        open_photo(tmp_path / "a.heic")
    one_sentence(caught.value)


def test_a_heif_picture_is_told_by_any_of_its_brands() -> None:
    assert detect(b"\0\0\0\x1cftypmiaf\0\0\0\0mif1heic" + bytes(20)) == "HEIC"
    assert detect(b"\0\0\0\x18ftypnew \0\0\0\0heic" + bytes(20)) == "HEIC"
    assert detect(b"\0\0\0\x14ftypmif1\0\0\0\0avif" + bytes(20)) == "AVIF"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_refused_for_what_they_are(tmp_path: Path, kind: Callable[[bytes], bytes]) -> None:
    path = saved(tmp_path / "a.jpg")
    for given in (path.read_bytes(), bytes(path), b""):
        with pytest.raises(UsageError, match="by a path, not by bytes"):
            open_photo(kind(given))  # type: ignore[arg-type]
