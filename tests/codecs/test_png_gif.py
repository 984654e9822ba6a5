"""PNG and GIF: what is read from files as they are met, and what a PNG gives back of a camera's JPEG."""

import csv
import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from lptn_retouch.codecs.gif import gif_blocks
from lptn_retouch.codecs.png.blocks import embed_png
from lptn_retouch.codecs.registry import read_metadata
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Block, Kind, Metadata
from lptn_retouch.metadata.blocks import COMMENT
from lptn_retouch.metadata.photoshop import coded_resource
from lptn_retouch.metadata.png_text import profile_chunk
from lptn_retouch.structures.png import SIGNATURE, PngFile
from tests.builders import SRGB, plain, with_png_chunks
from tests.builders import png_chunk as chunk


def png_blocks(data: bytes) -> tuple[Block, ...]:
    return read_metadata(data, "PNG").blocks


IPTC = b"\x1c\x02\x69\0\x04Dawn"
EXIF = b"II*\0\x08\0\0\0" + b"\1\0" + b"\x12\1\3\0\1\0\0\0\1\0\0\0" + bytes(4)
PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">d\xc3\xa9j\xc3\xa0</x:xmpmeta>'


def holding(*chunks: bytes) -> bytes:
    return with_png_chunks(plain("PNG"), *chunks)


def profile_text(name: str, data: bytes) -> bytes:
    return chunk(b"tEXt", f"Raw profile type {name}\0\n{name}\n{len(data):8}\n{data.hex()}\n".encode())


def upright(path: Path) -> tuple[Image.Image, Metadata]:
    """A camera's picture and what it shall carry, as after a retouch."""
    source = Metadata.from_jpeg(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    image.info.clear()
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(source.orientation)
    image = image.transpose(Image.Transpose(turn)) if turn is not None else image
    metadata, _ = source.for_result(
        width=image.width, height=image.height, turned=turn is not None, make_thumbnail=lambda _box, _most: None
    )
    return image, metadata


@pytest.mark.slow
def test_the_independent_meter_finds_nearly_every_tag_of_a_camera_in_the_png(
    shared: Path, meter: Path, tmp_path: Path
) -> None:
    listing, table = tmp_path / "pairs.tsv", tmp_path / "out.csv"
    lines = []
    for path in sorted((shared / "data" / "camera-jpegs").iterdir()):
        image, metadata = upright(path)
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        spliced, _ = embed_png(file.getvalue(), metadata)
        result = tmp_path / (path.name + ".png")
        result.write_bytes(spliced)
        lines.append(f"{path}\t{result}\n")
        with Image.open(io.BytesIO(spliced)) as back:
            assert back.tobytes() == image.tobytes()
        read = Metadata(png_blocks(spliced))
        assert (read.exif, read.icc, read.photoshop) == (metadata.exif, metadata.icc, metadata.photoshop), path.name
    listing.write_text("".join(lines), encoding="utf-8")
    subprocess.run([sys.executable, meter, "--pairs", listing, "--csv", table], check=True, capture_output=True)
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    kept, tags = (sum(int(row[name]) for row in rows) for name in ("kept", "tags"))
    assert len(rows) >= 60
    assert kept >= 0.97 * tags
    assert [(row["in"], row["new_warnings"]) for row in rows if row["new_warnings"]] == []
    assert [row["in"] for row in rows if row["c2pa_carried"] != "False"] == []
    lost = {name.split(":")[0] for row in rows for name in row["lost_names"].split()}
    assert lost <= {"APP1", "Meta", "JFIF", "File", "XMP"}  # makers' segments; a density and comments under other names


def test_every_place_in_the_wild_is_read() -> None:
    resources = coded_resource(0x0404, IPTC)
    profile = SRGB
    xmp = b"XML:com.adobe.xmp\0"
    for found, made in {
        "exif": [chunk(b"eXIf", EXIF), chunk(b"eXIf", b"Exif\0\0" + EXIF, crc=0), profile_text("exif", EXIF),
                 profile_text("APP1", b"Exif\0\0" + EXIF), chunk(*split(profile_chunk("exif", EXIF)))],
        "xmp": [chunk(b"iTXt", xmp + bytes(4) + PACKET), chunk(b"iTXt", xmp + b"\1\0\0\0" + zlib.compress(PACKET)),
                chunk(b"zTXt", xmp + b"\0" + zlib.compress(PACKET)), profile_text("xmp", PACKET),
                profile_text("APP1", b"http://ns.adobe.com/xap/1.0/\0" + PACKET)],
        "photoshop": [profile_text("iptc", resources), profile_text("8bim", resources), profile_text("iptc", IPTC)],
        "icc": [chunk(b"iCCP", b"name\0\0" + zlib.compress(profile)), profile_text("icc", profile)],
    }.items():  # fmt: skip
        expected = {"exif": EXIF, "xmp": PACKET, "photoshop": resources, "icc": profile}[found]
        for one in made:
            read = Metadata(png_blocks(holding(one)))
            assert getattr(read, found) == expected, (found, one[:60])
            assert all(block.kind is not Kind.PNG_CHUNK for block in read.blocks)


def split(made: bytes) -> tuple[bytes, bytes]:
    return made[:4], made[4:]


def test_a_proper_chunk_counts_more_than_a_text_and_nothing_is_doubled() -> None:
    resources = coded_resource(0x0404, IPTC)
    other = coded_resource(0x03ED, bytes(16))
    read = Metadata(
        png_blocks(
            holding(
                profile_text("exif", b"MM\0*" + bytes(8)),
                chunk(b"eXIf", EXIF),
                profile_text("8bim", resources),
                profile_text("iptc", resources + other),
            )
        )
    )
    assert read.exif == EXIF and read.photoshop == resources + other
    assert [block.kind for block in read.blocks] == [Kind.EXIF, Kind.PHOTOSHOP]


def test_texts_and_resolution_are_verbatim_and_what_describes_pixels_is_not_taken() -> None:
    texts = [b"tEXtAuthor\0Zo\xeb", b"zTXtTitle\0\0" + zlib.compress(b"x"), b"iTXtDescription\0\0\0de\0\0\xc3\xa9",
             b"tEXtRaw profile type odd\0\nodd\n 1\nff", b"pHYs" + struct.pack(">IIB", 1, 2, 0)]  # fmt: skip
    pixels = [
        chunk(b"gAMA", bytes(4)),
        chunk(b"sRGB", b"\0"),
        chunk(b"tIME", bytes(7)),
        chunk(b"bKGD", bytes(6)),
    ]
    blocks = png_blocks(holding(*pixels, *(chunk(*split(text)) for text in texts), chunk(b"caBX", b"\0\0\0\x08jumb")))
    assert [block.data for block in blocks if block.kind is Kind.PNG_CHUNK] == texts
    assert [block.kind for block in blocks if block.kind is not Kind.PNG_CHUNK] == [Kind.JUMBF]
    spliced, notices = embed_png(plain("PNG", dpi=(72, 72)), Metadata(blocks[:-1]))
    assert set(png_blocks(spliced)) == set(blocks[:-1])
    assert notices == ()


def test_a_profile_takes_the_place_of_the_encoders_words_and_only_then() -> None:
    bare = holding(chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"sRGB", b"\0"))
    profile = SRGB
    named = [c.type for c in PngFile(embed_png(bare, Metadata.build(icc=profile))[0]).chunks]
    assert named == [b"IHDR", b"iCCP", b"IDAT", b"IEND"]
    assert embed_png(bare, Metadata())[0] == bare
    with Image.open(io.BytesIO(embed_png(plain("PNG", "P"), Metadata.build(icc=profile))[0])) as image:
        assert image.info["icc_profile"] == profile


def test_comments_and_densities_of_a_jpeg_are_carried() -> None:
    source = Metadata((Block(0xE0, b"JFIF\0\1\1\2" + struct.pack(">HH", 118, 59) + b"\0\0"), Block(COMMENT, b"plain\0"),
                       Block(COMMENT, "d\xe9j\xe0".encode()), Block(COMMENT, b"d\xe9j\xe0")))  # fmt: skip
    spliced, notices = embed_png(plain("PNG"), source)
    assert notices == ()
    with Image.open(io.BytesIO(spliced)) as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        assert image.info["dpi"] == pytest.approx((299.72, 149.86))
        image.load()
    assert [split(block.data) for block in png_blocks(spliced)][1:] == [
        (b"tEXt", b"Comment\0plain"),
        (b"iTXt", b"Comment\0\0\0\0\0d\xc3\xa9j\xc3\xa0"),
        (b"tEXt", b"Comment\0d\xe9j\xe0"),
    ]


def test_what_a_png_cannot_hold_is_said() -> None:
    source = Metadata((*Metadata.build(xmp=b"<x>\xff</x>").blocks, Block(0xE3, b"Meta\0\0"), Block(0xEC, b"Ducky")))
    spliced, notices = embed_png(plain("PNG"), source)
    assert png_blocks(spliced) == ()
    assert len(notices) == 2 and "UTF-8" in notices[0] and "APP3" in notices[1] and "APP12" in notices[1]
    for torn in (b"", SIGNATURE, plain("PNG")[:-5]):
        with pytest.raises(MetadataError, match="no picture"):
            embed_png(torn, source)


@pytest.mark.usefixtures("exiftool")
def test_exiftool_reads_iptc_exif_and_xmp_without_a_warning(tmp_path: Path) -> None:
    source = Metadata.build(
        exif=EXIF, xmp=PACKET, photoshop=coded_resource(0x0404, IPTC) + coded_resource(0x03F3, bytes(9))
    )
    path = tmp_path / "all.png"
    path.write_bytes(embed_png(plain("PNG"), source)[0])
    tags = ["-IPTC:Headline", "-EXIF:Orientation", "-Photoshop:all", "-Warning", "-Error"]
    found = subprocess.run(["exiftool", "-n", "-s3", *tags, path], check=True, capture_output=True, text=True).stdout
    assert found.split()[:2] == ["Dawn", "1"]
    assert not any(word in found for word in ("Warning", "Error", "Invalid", "should"))


@pytest.mark.slow
def test_a_text_that_inflates_without_end_is_not_followed() -> None:
    bomb = zlib.compress(bytes(200 << 20), 9)
    coded = chunk(b"iCCP", b"n\0\0" + bomb) + chunk(b"zTXt", b"Raw profile type exif\0\0" + bomb)
    blocks = png_blocks(holding(coded * 40, chunk(b"eXIf", EXIF)))
    assert Metadata(blocks).exif == EXIF and Metadata(blocks).icc is None


def test_a_gif_gives_its_comment_xmp_and_profile(tmp_path: Path) -> None:
    bare = plain("GIF", "P", comment=b"x" * 700)
    assert gif_blocks(bare) == (Block(COMMENT, b"x" * 700),)
    magic = bytes((1, *range(255, -1, -1), 0))
    xmp = b"\x21\xff\x0bXMP DataXMP" + PACKET + magic
    icc = b"\x21\xff\x0bICCRGBG1012" + b"\x03abc\x02de\0"
    at = bare.index(b"\x21\xfe")
    whole = bare[:at] + xmp + icc + bare[at:]
    read = Metadata(gif_blocks(whole))
    assert (read.xmp, read.icc) == (PACKET, b"abcde")
    assert read.blocks[-1].kind is Kind.COMMENT
    path = tmp_path / "one.gif"
    path.write_bytes(whole)
    with Image.open(path) as image:
        assert image.size == (16, 12)
    for end in range(len(whole)):
        assert set(gif_blocks(whole[:end])) <= set(read.blocks)
