"""What `fuzz.py` tries, with which files it starts, and what must hold whatever they have become."""

from __future__ import annotations

import io
import itertools
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image

from lptn_retouch.codecs.detect import detect
from lptn_retouch.codecs.format import Coding
from lptn_retouch.codecs.raw.blocks import metadata_from_raw
from lptn_retouch.codecs.registry import FORMATS, read_metadata
from lptn_retouch.color import read_profile
from lptn_retouch.errors import MetadataError, PhotoError
from lptn_retouch.metadata import Metadata
from lptn_retouch.metadata.blocks import Block, Kind, photoshop_block, xmp_block
from lptn_retouch.metadata.exif.fit import fitted_exif
from lptn_retouch.metadata.exif.patch import declare_srgb, patch_exif
from lptn_retouch.metadata.photoshop import iptc_records, patch_photoshop
from lptn_retouch.metadata.private import without_private
from lptn_retouch.metadata.recipe import Recipe, read_recipe, with_recipe
from lptn_retouch.metadata.xmp.correct import UNREADABLE, patch_xmp
from lptn_retouch.structures.xml import parse_xmp
from lptn_retouch.verify.compare import compare

READERS = {format.name: format for format in FORMATS if format.name != "RAW"}
WRITERS = {name: format for name, format in READERS.items() if format.holds}
PARTS = (*(name.lower() for name in READERS), "raw", "compare", "exif", "xmp", "photoshop", "icc", "result", "opening")
LONGEST_SEED = 256 << 10
LONGEST_OPENED = 128 << 10
_SIZE = (24, 16)
_RECIPE = Recipe("retouch", "2", "ab" * 32, 1.0, 0.5, False, "IMG_1.jpg", "cd" * 32, version="1.0")
_EXIF_LIMIT = 65527


class Broken(AssertionError):  # noqa: N818
    """A law does not hold."""


def law(holds: bool, words: str) -> None:
    if not holds:
        raise Broken(words)


def one_sentence(said: str) -> None:
    """A notice or an error's message as a user can read it."""
    law(said.isprintable(), "a message has control characters")
    law(said.endswith("."), f"a message has no end: {said}")
    law(not re.search(r"\. [A-Z]", said), f"a message is more than one sentence: {said}")
    law(10 < len(said) < 500, f"a message is too short or too long: {said[:60]}")


@dataclass(frozen=True)
class Part:
    """Something to try: the files to start with, what must hold, and which errors are an answer.

    Args:
        is_pure: Python alone, so that its memory can be traced.
        calls: how often one check goes through the whole input, more or less; it has as much more time.
    """

    name: str
    seeds: list[bytes]
    check: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = ()
    is_pure: bool = True
    calls: int = 1


def parts(data: Path, opener: Callable[[bytes], object]) -> list[Part]:
    """All parts, with their seeds: the real files, their blocks, and small pictures of each kind with those blocks."""
    files = [file.read_bytes() for name in ("camera-jpegs", "odd", "damaged", "raw", "photos")
             for file in sorted((data / name).iterdir())]  # fmt: skip
    by_kind: dict[str, list[bytes]] = {}
    for file in files:
        by_kind.setdefault((detect(file) or "unknown").partition(":")[0], []).append(file)
    carried = [metadata for kind in READERS for file in by_kind.get(kind, ())
               if (metadata := read_metadata(file, kind)).blocks]  # fmt: skip
    carried += [metadata_from_raw(file)[0] for file in by_kind["RAW"]]
    for metadata, kind in itertools.product(carried[::5], WRITERS):
        by_kind.setdefault(kind, []).append(embedded(kind, metadata)[0])
    short = {kind: [file[:LONGEST_SEED] for file in found] for kind, found in by_kind.items()}
    everything = [file for found in short.values() for file in found]
    made = [Part(name.lower(), short[name], partial(check_reading, name)) for name in READERS if name in short]
    return [
        *made,
        Part("raw", [*short["RAW"], *short["TIFF"], *by_kind["RAW"]], check_raw),
        Part("compare", everything, check_compare, (MetadataError,), calls=3),
        Part("exif", [m.exif for m in carried if m.exif], check_exif, (MetadataError,), calls=8),
        Part("xmp", [p for m in carried for p in (m.xmp, *m.extended_xmp) if p], check_xmp, (MetadataError,), calls=15),
        Part("photoshop", [p for m in carried for p in (m.photoshop, m.iptc) if p], check_photoshop, calls=4),
        Part("icc", list({m.icc: None for m in carried if m.icc}), check_icc),  # type: ignore[arg-type]
        Part("result", [encoded(metadata) for metadata in carried], check_result, (MetadataError,), calls=20),
        Part("opening", [f for f in files if len(f) <= LONGEST_OPENED] + [f for k in WRITERS for f in by_kind[k]
             if len(f) <= LONGEST_OPENED], opener, (PhotoError,), False),
    ]  # fmt: skip


def check_reading(kind: str, data: bytes) -> None:
    """A reader takes whatever it is given, and so does all that looks into what it found."""
    look_at(read_metadata(data, kind))


def look_at(metadata: Metadata) -> None:
    law(1 <= metadata.orientation <= 8, "an orientation is out of range")
    law(all(isinstance(block.data, bytes) for block in metadata.blocks), "a block holds no bytes")
    _ = metadata.exif, metadata.xmp, metadata.icc, metadata.extended_xmp, metadata.photoshop, metadata.iptc


def check_raw(data: bytes) -> None:
    metadata, notices = metadata_from_raw(data, preview=data[-4096:], sidecar=data[:4096])
    look_at(metadata)
    law(len(metadata.exif or b"") <= _EXIF_LIMIT, "the EXIF of a RAW fits no JPEG")
    all_sentences(notices)


def check_compare(data: bytes) -> None:
    """A file is equal to itself; with its results comparing ends, too."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        file = Path(folder, "photo.dng" if len(data) % 5 == 0 else "photo")
        file.write_bytes(data)
        diff = compare(file, file)
        law(diff.ok, "a file lost something to itself")
        diff.to_json().encode()
        diff.to_text(all_tags=True).encode()


def check_exif(data: bytes) -> None:
    for upright in (True, False):
        once = patch_exif(data, width=_SIZE[0], height=_SIZE[1], upright=upright, make_thumbnail=thumbnail)
        again = patch_exif(once.data, width=_SIZE[0], height=_SIZE[1], upright=upright, make_thumbnail=thumbnail)
        law(len(once.data) == len(data), "patching EXIF changes its length")
        law(again.data == once.data, "patching EXIF twice is not patching it once")
        all_sentences(once.notices)
    law(declare_srgb(declare_srgb(data)) == declare_srgb(data), "declaring sRGB twice is not declaring it once")
    law(len(declare_srgb(data)) == len(data), "declaring sRGB changes the length")
    for limit in (1000, len(data) * 3 // 4):
        if limit >= 1000:
            fitted, notices = fitted_exif(data, limit)
            law(len(fitted or b"") <= limit, "EXIF that was fitted does not fit")
            all_sentences(notices)


def check_xmp(data: bytes) -> None:
    once = patch_xmp(data, width=_SIZE[0], height=_SIZE[1])
    all_sentences(once.notices)
    law(patch_xmp(once.data, width=_SIZE[0], height=_SIZE[1]).data == once.data, "patching XMP twice changes it twice")
    applied = patch_xmp(data, developed=True)
    law(patch_xmp(applied.data, developed=True).data == applied.data, "marking XMP as developed twice changes it twice")
    metadata = Metadata((xmp_block(data),))
    clean, notices = without_private(metadata)
    all_sentences(notices)
    law(without_private(clean)[0] == clean, "leaving out what is private twice leaves out more")
    parse_xmp(data)  # from here on the packet is sound
    for packet in (once.data, applied.data):
        if once.notices != (UNREADABLE,):
            law(_is_xml(packet), "patching sound XMP makes it unsound")
    law(clean.xmp is None or _is_xml(clean.xmp), "leaving out what is private makes sound XMP unsound")
    written, notices = with_recipe(metadata, _RECIPE, altered=True)
    all_sentences(notices)
    if not notices:
        law(read_recipe(written) == _RECIPE, "a recipe is not read as it was written")


def _is_xml(packet: bytes) -> bool:
    try:
        parse_xmp(packet)
    except MetadataError:
        return False
    return True


def check_photoshop(data: bytes) -> None:
    once, notices = patch_photoshop(data, thumbnail)
    all_sentences(notices)
    law(len(once) == len(data), "patching Photoshop's resources changes their length")
    law(patch_photoshop(once, thumbnail)[0] == once, "patching Photoshop's resources twice changes them twice")
    list(iptc_records(data))
    clean, notices = without_private(Metadata((photoshop_block(data),)))
    all_sentences(notices)
    law(without_private(clean)[0] == clean, "leaving out what is private twice leaves out more")


def check_icc(data: bytes) -> None:
    space, notices = read_profile(data)
    law(space.name.isprintable(), "a profile's name has control characters")
    all_sentences(notices)


def check_result(data: bytes) -> None:
    """Blocks, damaged, on their whole way into each container and out again."""
    metadata = decoded(data)
    find = partial(metadata.for_result, width=_SIZE[0], height=_SIZE[1], turned=True, make_thumbnail=thumbnail)
    result, notices = find()
    all_sentences(notices)
    law(find() == (result, notices), "the result's metadata is not the same twice")
    again, _ = result.for_result(width=_SIZE[0], height=_SIZE[1], turned=True, make_thumbnail=thumbnail)
    law(again == result, "the result's metadata is changed by making it a result's again")
    clean, notices = without_private(result)
    all_sentences(notices)
    law(without_private(clean)[0] == clean, "leaving out what is private twice leaves out more")
    for kind in WRITERS:
        for carried in (result, clean):
            check_embedded(kind, carried)


def check_embedded(kind: str, metadata: Metadata) -> None:
    """What was put into a picture stands in it, once and for all, and the picture is as it was."""
    file, notices = embedded(kind, metadata)
    all_sentences(notices)
    back = read_metadata(file, kind)
    if metadata.exif and kind != "TIFF" and not any("EXIF" in notice for notice in notices):
        law(back.exif == metadata.exif, f"the EXIF in a {kind} is not what was put in")
    if WRITERS[kind].holds.profiles and not any("profile" in notice for notice in notices):
        law(back.icc == metadata.icc, f"the ICC profile in a {kind} is not what was put in")
    if kind != "TIFF":
        law(read_metadata(embedded(kind, back)[0], kind) == back, f"what stands in a {kind} changes on its second way")
    if len(file) % 7 == 0:
        try:
            pixels = pixels_of(file, kind)
        except Exception as error:
            raise Broken(f"a {kind} cannot be decoded with its metadata: {error}"[:120]) from error
        plain = pixels_of(bare(kind, metadata.byte_order), kind)
        law(np.array_equal(pixels, plain), f"the pixels of a {kind} change with its metadata")


def embedded(kind: str, metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    return WRITERS[kind].embed(bare(kind, metadata.byte_order), metadata)


_BARE: dict[tuple[str, str], bytes] = {}


def bare(kind: str, order: str = "<") -> bytes:
    """A small picture of a kind, without metadata."""
    if (kind, order) not in _BARE:
        picture = np.random.default_rng(1).integers(0, 256, (_SIZE[1], _SIZE[0], 3), np.uint8)
        parts = WRITERS[kind].encode(picture, Coding(byte_order=order))
        _BARE[kind, order] = b"".join(parts)
    return _BARE[kind, order]


def pixels_of(file: bytes, kind: str) -> npt.NDArray[Any]:
    if kind == "JPEG XL":
        return np.asarray(imagecodecs.jpegxl_decode(file))
    if kind == "JPEG":  # Pillow refuses one with a resolution of a wrong type in its EXIF
        return np.asarray(imagecodecs.jpeg8_decode(file))
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(file)) as image:
        return np.asarray(image)


def thumbnail(_: tuple[int, int], most: int) -> bytes | None:
    """The same picture whenever it fits, so that patching can be repeated."""
    small = bare("JPEG")
    return small if len(small) <= most else None


def encoded(metadata: Metadata) -> bytes:
    """Blocks in a row, with their markers and lengths; unlike a JPEG, of any length."""
    return b"".join(bytes((b.marker,)) + len(b.data).to_bytes(4, "big") + b.data for b in metadata.blocks)


def decoded(data: bytes) -> Metadata:
    """`encoded`, back; what was damaged into another kind of block is one that readers give."""
    blocks, at = [], 0
    while at + 5 <= len(data) and len(blocks) < 50:
        size = min(int.from_bytes(data[at + 1 : at + 5], "big"), len(data) - at - 5)
        marker = data[at] if data[at] in (0, 0xFE) else 0xE0 | data[at] & 15
        block = Block(marker, data[at + 5 : at + 5 + size])
        if block.kind is not Kind.PNG_CHUNK or block.data[:4] in (b"tEXt", b"zTXt", b"iTXt", b"pHYs"):
            blocks.append(block)
        at += 5 + size
    return Metadata(tuple(blocks))


def all_sentences(notices: Iterable[str]) -> None:
    for notice in notices:
        one_sentence(notice)
