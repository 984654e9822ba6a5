"""An EXIF structure made short enough for a JPEG's segment, by leaving out what is longest and matters least."""

from lptn_retouch.metadata.exif.build import Field, build_exif
from lptn_retouch.metadata.exif.directories import Directories, read_exif
from lptn_retouch.metadata.exif.tags import OFFSET_TAGS, ORIENTATION, POINTERS, THUMBNAIL_AT, tag_name
from lptn_retouch.structures.tiff import MAKER_NOTE

_GROUPS = ("IFD0", "ExifIFD", "GPS", "InteropIFD")

THUMBNAIL_LEFT_OUT = "The EXIF thumbnail was left out: with it the EXIF is too long for a JPEG."
_NAMED = 8  # of what was left out, in the notice
TOO_LONG = "The EXIF was too long for a JPEG, so this was left out of it"
NOTE_MOVED = "The EXIF's maker note was moved, which can break what it points at: the EXIF was too long for a JPEG."
DAMAGED = "The EXIF was left out: it is too long for a JPEG, and too damaged to be shortened."


def fitted_exif(exif: bytes, limit: int) -> tuple[bytes | None, tuple[str, ...]]:
    """Make an EXIF structure fit into so many bytes.

    Args:
        exif: TIFF structure from its II or MM on.
        limit: longest result, in bytes; 1000 at least.

    Returns:
        The structure itself where it fits; else without the thumbnail at its end; else laid out anew, the maker note
        at its old offset where it can stand there, without its longest values. None where nothing can be saved. And a
        sentence that names what is gone.

    >>> from lptn_retouch.metadata.exif.build import text_field
    >>> long = build_exif("<", [text_field(0x010F, "Canon"), text_field(0x010E, "x" * 2000)])
    >>> short, notices = fitted_exif(long, 1000)
    >>> b"Canon" in short, notices
    (True, ('The EXIF was too long for a JPEG, so this was left out of it: ImageDescription.',))

    Source: Exif 3.0 (CIPA DC-008) 4.5.5 and 4.7.2 (one segment of 64 KB).
    """
    if len(exif) <= limit:
        return exif, ()
    found = read_exif(exif)
    if found is None:
        return None, (DAMAGED,)
    cut = _without_thumbnail(found)
    if cut is not None and len(cut) <= limit:
        return cut, (THUMBNAIL_LEFT_OUT,)
    return _rebuilt(found, limit)


def _without_thumbnail(found: Directories) -> bytes | None:
    """The structure up to a thumbnail, where nothing else stands behind that."""
    tiff, link = found.tiff, found.main.next_at
    if found.thumbnail is None or link is None:
        return None
    at = tiff.number(found.thumbnail.get(THUMBNAIL_AT))
    if at is None or at < max(end for _, end in found.spans()) or not 8 <= at < len(tiff.data):
        return None
    out = bytearray(tiff.data[:at])
    out[link : link + 4] = bytes(4)
    return bytes(out)


def _rebuilt(found: Directories, limit: int) -> tuple[bytes | None, tuple[str, ...]]:
    """The structure laid out anew, without the thumbnail and as many of the longest values as it takes."""
    tables, gone = _tables(found, 4 * limit)
    if found.thumbnail is not None:
        gone.insert(0, "the thumbnail")
    note = found.exif.get(MAKER_NOTE) if found.exif is not None else None
    note_at = note.value_at if note is not None else None
    while True:
        built = build_exif(found.tiff.order, *(table.values() for table in tables), pinned=note_at)
        if len(built) <= limit:
            break
        if not any(tables):
            return None, (DAMAGED,)
        gone += _shortened(tables, len(built) - limit)
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    notices: tuple[str, ...] = (f"{TOO_LONG}: {', '.join(gone[:_NAMED])}{more}.",) if gone else ()
    if note_at is not None and MAKER_NOTE in tables[1] and not _note_stands(built, note_at):
        notices += (NOTE_MOVED,)
    return built, notices


def _tables(found: Directories, room: int) -> tuple[list[dict[int, Field]], list[str]]:
    """The values of each directory, the shortest first, and the names of those that there is no room for.

    Values may overlap in a damaged file, and come to far more bytes than the file has.
    """
    tables: list[dict[int, Field]] = []
    gone: list[str] = []
    for group, ifd in zip(_GROUPS, found.named, strict=True):
        table: dict[int, Field] = {}
        for entry in sorted(ifd.entries, key=lambda e: e.size) if ifd is not None else ():
            if entry.tag in POINTERS or entry.tag in OFFSET_TAGS:
                continue
            room -= entry.size
            if room >= 0:
                table.setdefault(entry.tag, Field(entry.tag, entry.type, entry.count, found.tiff.raw(entry)))
            else:
                gone.append(tag_name(group, entry.tag))
        tables.append(table)
    return tables, gone


def _shortened(tables: list[dict[int, Field]], excess: int) -> list[str]:
    """Take the longest values out, the orientation last, until so many bytes are saved or nothing is left; by name."""
    held = [(len(field.data), i, field.tag) for i, table in enumerate(tables) for field in table.values()]
    held.sort(key=lambda item: (item[2] != ORIENTATION, item), reverse=True)
    gone = []
    for size, i, tag in held:
        if excess <= 0:
            break
        del tables[i][tag]
        gone.append(tag_name(_GROUPS[i], tag))
        excess -= size + 12
    return gone


def _note_stands(exif: bytes, at: int) -> bool:
    """Whether the maker note stands at this offset."""
    found = read_exif(exif)
    note = found.exif.get(MAKER_NOTE) if found is not None and found.exif is not None else None
    return note is not None and note.value_at == at
