"""What a RAW file says of the photograph, as metadata for the picture that is developed from it."""

import mmap
from pathlib import Path

from lptn_retouch.codecs.raw.ciff import exif_from_ciff, is_ciff
from lptn_retouch.codecs.raw.cr3 import is_cr3, read_cr3
from lptn_retouch.codecs.raw.maker_note import exif_with_note
from lptn_retouch.codecs.tiff.blocks import with_blocks_in_tags
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.blocks import Block, Kind, jpeg_blocks, xmp_block
from lptn_retouch.metadata.exif.build import Field
from lptn_retouch.metadata.exif.directories import Directories, directories
from lptn_retouch.metadata.exif.patch import declare_srgb
from lptn_retouch.metadata.exif.tags import MAIN_TAGS, RESOLUTION_TAGS, is_exif_tag
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.xmp.correct import patch_xmp
from lptn_retouch.structures import Buffer
from lptn_retouch.structures.jpeg import SOI, jpeg_segments
from lptn_retouch.structures.tiff import INTEROP_POINTER, MAKER_NOTE, Ifd, Tiff
from lptn_retouch.structures.xml import parse_xmp

_PANASONIC, _PANASONIC_JPEG = 0x55, 0x2E
_LONGEST_VALUE = 16384
_LONGEST_BLOCK = 1 << 20

SIDECAR_PASSED = "The XMP file beside it was left alone: the RAW file has XMP of its own."
SIDECAR_USED = "Its XMP was taken from the sidecar file beside it."
SIDECAR_DAMAGED = "The sidecar file beside it was left out: it is damaged."

_LENS_INFO_DNG, _LENS_SPECIFICATION = 0xC630, 0xA432


def metadata_from_raw(
    raw: Path | Buffer, *, preview: bytes | None = None, sidecar: bytes | None = None
) -> tuple[Metadata, tuple[str, ...]]:
    """What a RAW file carries: camera, lens, exposure, date, place, maker note; XMP and IPTC.

    Where the camera put a JPEG with whole EXIF beside its sensor data (RAF, RW2, X3F), that EXIF is taken as it is.
    Elsewhere it is built from the directories of the file, and a maker note whose offsets count from the file's
    start is laid at the offset it had. Camera Raw's develop settings are marked as applied: they describe how the RAW
    file was to be developed; marked, they stay on record and no editor applies them to the finished picture.

    Args:
        raw: the file, or its bytes: built on TIFF (DNG, NEF, CR2, ARW, PEF, ORF, ...), CRW, CR3, RAF, MRW, ...
        preview: the JPEG that the file embeds, as LibRaw extracts it; asked where the file itself cannot be read.
        sidecar: an XMP packet from a file beside it; used where the RAW file has none of its own.

    Returns:
        Metadata with EXIF that fits a JPEG, and a sentence for each thing left out. It never raises on damaged files.

    Raises:
        OSError: the file cannot be read.

    >>> metadata_from_raw(Path("/dev/null"))
    (Metadata(), ())

    Source: Exif 3.0 (CIPA DC-008) 4.6; TIFF/EP (ISO 12234-2); DNG 1.7, chapter 4; XMP part 3, 3.
    """
    if isinstance(raw, Path):
        if not raw.is_file() or not raw.stat().st_size:
            return Metadata(), ()
        with raw.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return metadata_from_raw(data, preview=preview, sidecar=sidecar)
    blocks, notices = _blocks(raw)
    if not any(block.kind is Kind.EXIF for block in blocks) and preview is not None:
        blocks = (*_of_jpeg(preview), *blocks)
    if sidecar is not None and any(block.kind is Kind.XMP for block in blocks):
        notices += (SIDECAR_PASSED,)
    elif sidecar is not None:
        try:
            parse_xmp(sidecar)
        except MetadataError:
            notices += (SIDECAR_DAMAGED,)
        else:
            blocks = (*blocks, xmp_block(sidecar))
            notices += (SIDECAR_USED,)
    return Metadata(tuple(map(_as_developed, blocks))), notices


def _as_developed(block: Block) -> Block:
    """The block, true about a picture in sRGB to which the develop settings were applied."""
    if block.kind is Kind.EXIF:  # which may say that the camera's own JPEG would be in another space
        return block.holding(declare_srgb(block.content))
    if block.kind is Kind.XMP:
        # The sizes in it are the sensor's; they are corrected when the result is saved.
        return block.holding(patch_xmp(block.content, developed=True).data)
    return block


def _blocks(data: Buffer) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    """What the file's own structure holds, by its kind."""
    if is_ciff(data):
        exif = exif_from_ciff(data)
        return Metadata.build(exif=exif).blocks, ()
    if is_cr3(data):
        return _of_cr3(data)
    if bytes(data[:16]) == b"FUJIFILMCCD-RAW ":
        at, size = (int.from_bytes(data[place : place + 4], "big") for place in (84, 88))
        return _of_jpeg(bytes(data[at : at + size])), ()
    if bytes(data[:4]) == b"\0MRM":
        return _of_minolta(data)
    try:
        tiff = Tiff(data)
    except MetadataError:
        return (), ()
    return _of_tiff(tiff)


def _of_jpeg(jpeg: bytes) -> tuple[Block, ...]:
    """What an embedded JPEG says of the photograph; its profile and the list of its pictures are its own."""
    if jpeg[:2] != SOI:
        return ()
    kinds = (Kind.EXIF, Kind.XMP, Kind.EXTENDED_XMP, Kind.PHOTOSHOP)
    return tuple(block for block in jpeg_blocks(jpeg_segments(jpeg)) if block.kind in kinds)


def _of_minolta(data: Buffer) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    """MRW: blocks in front of the sensor data, of which TTW is a TIFF structure."""
    at, end = 8, min(8 + int.from_bytes(data[4:8], "big"), len(data))
    while at + 8 <= end:
        start, size = at + 8, int.from_bytes(data[at + 4 : at + 8], "big")
        if bytes(data[at : at + 4]) == b"\0TTW" and size <= _LONGEST_BLOCK:
            try:
                return _of_tiff(Tiff(bytes(data[start : start + size])))
            except MetadataError:
                break
        at = start + size
    return (), ()


def _of_tiff(tiff: Tiff) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    found = directories(tiff)
    if found is None:
        return (), ()
    if tiff.u16(2) == _PANASONIC:
        entry = found.main.get(_PANASONIC_JPEG)
        blocks = _of_jpeg(tiff.raw(entry)) if entry else ()
        if any(block.kind is Kind.EXIF for block in blocks):
            return blocks, ()
    exif, notices = _shooting_data(found)
    return with_blocks_in_tags(exif, found, _LONGEST_BLOCK).with_icc(None).blocks, notices


def _shooting_data(found: Directories) -> tuple[bytes | None, tuple[str, ...]]:
    tiff = found.tiff
    main = _fields(tiff, found.main, MAIN_TAGS | RESOLUTION_TAGS)
    photographic = _fields(tiff, found.exif) + [f for f in _fields(tiff, found.main) if f.tag not in MAIN_TAGS]
    lens = found.main.get(_LENS_INFO_DNG)
    if lens is not None and lens.size == 32:
        photographic.append(Field(_LENS_SPECIFICATION, lens.type, lens.count, tiff.raw(lens)))
    place, interop = _all_fields(tiff, found.gps), _all_fields(tiff, found.interop)
    if not main and not photographic and not place:
        return None, ()
    entry = found.exif.get(MAKER_NOTE) if found.exif else None
    note = (tiff.raw(entry), entry.value_at) if entry is not None and 4 < entry.size <= _LONGEST_BLOCK else None
    return exif_with_note(tiff.order, main, photographic, place, interop, note)


def _of_cr3(data: Buffer) -> tuple[tuple[Block, ...], tuple[str, ...]]:
    found = read_cr3(data)
    if found.main is None:
        return (), ()
    tiff, first = found.main
    # The parts are joined in one structure, so all must be in one byte order; Canon's are.
    parts = [part if part and part[0].order == tiff.order else None for part in (found.exif, found.note, found.gps)]
    shot, note, gps = parts
    exif, notices = exif_with_note(
        tiff.order,
        _fields(tiff, first, MAIN_TAGS | RESOLUTION_TAGS),
        _fields(*shot) if shot else [],
        _all_fields(*gps) if gps else [],
        _all_fields(shot[0], shot[0].pointed(shot[1], INTEROP_POINTER)) if shot else [],
        # CMT3 is a structure whose directory is the note, with offsets from the structure's start.
        (bytes(note[0].data[note[1].at :]), note[1].at) if note else None,
    )
    return Metadata.build(exif=exif, xmp=found.xmp).blocks, notices


def _fields(tiff: Tiff, ifd: Ifd | None, tags: frozenset[int] | None = None) -> list[Field]:
    """The entries of a directory with these tags; without tags, those that belong in the Exif directory."""
    entries = ifd.entries if ifd is not None else ()
    return [
        Field(entry.tag, entry.type, entry.count, tiff.raw(entry))
        for entry in entries
        if (entry.tag in tags if tags is not None else is_exif_tag(entry.tag)) and entry.size <= _LONGEST_VALUE
    ]


def _all_fields(tiff: Tiff, ifd: Ifd | None) -> list[Field]:
    return _fields(tiff, ifd, frozenset(entry.tag for entry in ifd.entries)) if ifd is not None else []
