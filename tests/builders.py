"""Files and packets that tests build by hand: to the letter of their standards, and independent of our own codecs."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import tifffile
from PIL import Image, ImageCms

from lptn_retouch.metadata.exif.build import Field, build_exif, text_field
from lptn_retouch.structures.tiff import MAKER_NOTE, UNDEFINED

Array = npt.NDArray[Any]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SRGB: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """A picture's file as Pillow writes it."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def plain(kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (16, 12), **options: Any) -> bytes:
    """A small picture of one colour."""
    return encoded(Image.new(mode, size, 3), kind, **options)


def xmp_packet(inside: str = "", padding: int = 0, spaces: str = "") -> bytes:
    """An XMP packet with these elements in its RDF, and blanks behind it to grow into."""
    rdf = f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"{spaces}>{inside}</rdf:RDF>'
    whole = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'
    return f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>{whole}{" " * padding}<?xpacket end="w"?>'.encode()


def whole_exif(order: str = "<") -> bytes:
    """EXIF with a camera, an orientation, a lens, a place, and a maker note at an offset of its own."""
    turn = Field(0x0112, 3, 1, struct.pack(order + "H", 1))
    shot = [text_field(0xA434, "A lens"), Field(MAKER_NOTE, UNDEFINED, 9, b"Nikon\0\2ab")]
    place = [text_field(1, "N"), Field(2, 5, 3, struct.pack(order + "6I", 51, 1, 30, 1, 777, 10))]
    return build_exif(order, [text_field(0x010F, "Maker"), turn], shot, place, pinned=777)


def grey_profile() -> bytes:
    """An ICC profile of grey in linear light."""
    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + (256).to_bytes(2, "big") + bytes(2)
    white = bytes.fromhex("0000f6d6 00010000 0000d32d")
    table = (2).to_bytes(4, "big")
    for tag, at, size in ((b"kTRC", 156, 14), (b"wtpt", 172, 20)):
        table += tag + at.to_bytes(4, "big") + size.to_bytes(4, "big")
    body = table + curve + b"XYZ " + bytes(4) + white
    head = (128 + len(body)).to_bytes(4, "big") + bytes(4) + bytes.fromhex("02100000") + b"mntrGRAYXYZ " + bytes(12)
    return (head + b"acsp" + bytes(28) + white).ljust(128, b"\0") + body


def iptc_record(dataset: int, value: bytes, record: int = 2) -> bytes:
    return bytes((0x1C, record, dataset)) + struct.pack(">H", len(value)) + value


def png_chunk(kind: bytes, payload: bytes, crc: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + payload) if crc is None else crc
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", checksum)


def png_file(
    width: int, height: int, depth: int, colour: int, rows: bytes, *, interlaced: bool = False, before: bytes = b""
) -> bytes:
    """A PNG of these rows, each behind its filter type, with chunks in front of them."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    idat = png_chunk(b"IDAT", zlib.compress(rows, 9))
    return PNG_SIGNATURE + png_chunk(b"IHDR", head) + before + idat + png_chunk(b"IEND", b"")


def with_png_chunks(png: bytes, *chunks: bytes, behind: bytes = b"") -> bytes:
    """The PNG with chunks in front of its rows, and behind them."""
    at, end = png.index(b"IDAT") - 4, png.index(b"IEND") - 4
    return png[:at] + b"".join(chunks) + png[at:end] + behind + png[end:]


def tiff_file(pixels: Array, **options: Any) -> bytes:
    """A TIFF as tifffile writes it."""
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **options)
    return out.getvalue()


def tiff_directories(*directories: dict[int, Sequence[int]], order: str = "<") -> bytes:
    """A TIFF of these directories, one leading to the next, each with its values of 32 bits behind it."""
    file = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    for i, directory in enumerate(directories):
        end = len(file) + 2 + 12 * len(directory) + 4
        entries, values = b"", b""
        for tag, numbers in directory.items():
            packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
            at = packed if len(numbers) == 1 else struct.pack(order + "I", end + len(values))
            values += packed if len(numbers) > 1 else b""
            entries += struct.pack(order + "HHI", tag, 4, len(numbers)) + at
        following = end + len(values) if i + 1 < len(directories) else 0
        file += struct.pack(order + "H", len(directory)) + entries + struct.pack(order + "I", following) + values
    return file
