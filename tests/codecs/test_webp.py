"""WebP: chunks, flags and sizes as RFC 9649 has them, and what comes back of a camera's JPEG."""

import io
import re
import struct
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from lptn_retouch.codecs.webp.blocks import embed_webp, webp_blocks
from lptn_retouch.metadata import Kind, Metadata
from lptn_retouch.structures.riff import riff_chunks
from tests import builders

EXIF = b"II*\0\x08\0\0\0" + b"\1\0" + b"\x12\1\3\0\1\0\0\0\1\0\0\0" + bytes(4) + b"\0"
PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
PROFILE = builders.SRGB


def encoded(mode: str = "RGB", size: tuple[int, int] = (33, 21), **options: object) -> bytes:
    image = Image.new(mode, size, 3)
    if mode == "RGBA":
        image.putpixel((1, 1), (9, 9, 9, 100))
    return builders.encoded(image, "WEBP", **options)


def canvas(webp: bytes) -> tuple[int, int, int]:
    """Flags, width and height from VP8X, which must be the first chunk."""
    first = next(riff_chunks(webp))
    assert first.type == b"VP8X"
    head = webp[first.at : first.end]
    return head[0], int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("old", [b"", b"Exif\0\0" + EXIF])
def test_all_blocks_are_put_in_and_the_picture_stays(mode: str, lossless: bool, old: bytes) -> None:
    plain = encoded(mode, lossless=lossless, exif=old, icc_profile=b"old" if old else b"")
    source = Metadata.build(exif=EXIF, xmp=PACKET, icc=PROFILE)
    spliced, notices = embed_webp(plain, source)
    assert notices == ()
    assert set(webp_blocks(spliced)) == set(source.blocks)
    assert struct.unpack("<I", spliced[4:8])[0] == len(spliced) - 8 and len(spliced) % 2 == 0
    flags, *size = canvas(spliced)
    assert flags == 0x2C | (0x10 if mode == "RGBA" else 0)
    assert size == [33, 21]
    kinds = [chunk.type for chunk in riff_chunks(spliced)]
    assert kinds[:2] == [b"VP8X", b"ICCP"] and kinds[-2:] == [b"EXIF", b"XMP "]
    with Image.open(io.BytesIO(spliced)) as image, Image.open(io.BytesIO(plain)) as before:
        assert image.mode == before.mode == mode and image.tobytes() == before.tobytes()


def test_without_metadata_a_simple_file_stays_simple_and_old_blocks_go() -> None:
    for plain in (encoded(), encoded("RGBA", lossless=True)):
        assert embed_webp(plain, Metadata())[0] == plain
    carrying = encoded(exif=EXIF)
    bare, _ = embed_webp(carrying, Metadata())
    assert webp_blocks(bare) == () and webp_blocks(carrying) != ()
    assert canvas(bare)[0] == 0


def test_odd_forms_are_read() -> None:
    def coded(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    plain = encoded()
    more = coded(b"EXIF", b"Exif\0\0" + EXIF) + coded(b"XMP\0", PACKET) + coded(b"C2PA", b"\0\0\0\x08jumb")
    read = Metadata(webp_blocks(plain + more))
    assert (read.exif, read.xmp) == (EXIF, PACKET)
    assert [block.kind for block in read.blocks] == [Kind.EXIF, Kind.XMP, Kind.JUMBF]


@pytest.mark.usefixtures("exiftool")
def test_exiftool_reads_a_camera_s_maker_notes_without_a_warning(shared: Path, tmp_path: Path) -> None:
    camera = shared / "data" / "camera-jpegs" / "exiftool__NikonD70.jpg"
    source = Metadata.from_jpeg(camera.read_bytes())
    path = tmp_path / "nikon.webp"
    path.write_bytes(embed_webp(encoded(), source)[0])

    def said(file: Path) -> list[str]:
        command = ["exiftool", "-MakerNotes:all", "-GPS:all", "-EXIF:all", "-Warning", "-Error", "-a", "-n", "-s", file]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        return sorted(line for line in lines if not re.match(r"(PreviewImageStart|ThumbnailOffset) ", line))

    found = said(path)
    assert len(found) > 60 and not any(line.startswith(("Warning", "Error")) for line in found)
    assert found == said(camera)
