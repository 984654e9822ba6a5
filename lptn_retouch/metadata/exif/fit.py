"""An EXIF structure made short enough for a JPEG's segment, by leaving out what is longest and matters least."""

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.exif.build import Field, build_exif
from lptn_retouch.metadata.exif.patch import ORIENTATION
from lptn_retouch.metadata.exif.tags import tag_name
from lptn_retouch.structures.tiff import EXIF_POINTER, GPS_POINTER, INTEROP_POINTER, MAKER_NOTE, Ifd, Tiff

_THUMBNAIL_AT, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_POINTERS = frozenset({EXIF_POINTER, GPS_POINTER, INTEROP_POINTER})
# What says where a file keeps its pixels; laid out anew, it would lead nowhere.
_STORAGE = frozenset({0x0111, 0x0117, 0x0144, 0x0145, 0x014A, _THUMBNAIL_AT, _THUMBNAIL_LENGTH})
_DIRECTORIES = ("IFD0", "ExifIFD", "GPS", "InteropIFD")

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
    try:
        tiff = Tiff(exif)
    except MetadataError:
        return None, (DAMAGED,)
    ifds = list(tiff.chain())
    if not ifds:
        return None, (DAMAGED,)
    photo = tiff.pointed(ifds[0], EXIF_POINTER)
    named = (ifds[0], photo, tiff.pointed(ifds[0], GPS_POINTER), tiff.pointed(photo, INTEROP_POINTER))
    cut = _without_thumbnail(tiff, ifds, [ifd for ifd in named if ifd is not None])
    if cut is not None and len(cut) <= limit:
        return cut, (THUMBNAIL_LEFT_OUT,)
    return _rebuilt(tiff, named, limit, has_thumbnail=len(ifds) > 1)


def _without_thumbnail(tiff: Tiff, ifds: list[Ifd], others: list[Ifd]) -> bytes | None:
    """The structure up to a thumbnail, where nothing else stands behind that."""
    if len(ifds) < 2 or ifds[0].next_at is None:
        return None
    at = tiff.number(ifds[1].get(_THUMBNAIL_AT))
    ends = [8]
    for ifd in {ifd.at: ifd for ifd in (*ifds, *others)}.values():
        ends += [
            ifd.next_at + 4 if ifd.next_at is not None else len(tiff.data),
            *(e.value_at + e.size for e in ifd.entries),
        ]
    if at is None or at < max(ends) or at >= len(tiff.data):
        return None
    out = bytearray(tiff.data[:at])
    out[ifds[0].next_at : ifds[0].next_at + 4] = bytes(4)
    return bytes(out)


def _rebuilt(
    tiff: Tiff, named: tuple[Ifd | None, ...], limit: int, *, has_thumbnail: bool
) -> tuple[bytes | None, tuple[str, ...]]:
    gone = ["the thumbnail"] if has_thumbnail else []
    tables: list[dict[int, Field]] = []
    room = limit * 4  # values may overlap in a damaged file, and come to more than the file has
    for ifd in named:
        table: dict[int, Field] = {}
        for entry in sorted(ifd.entries, key=lambda e: e.size) if ifd is not None else ():
            if entry.tag in _POINTERS or entry.tag in _STORAGE:
                continue
            room -= entry.size
            if room >= 0:
                table.setdefault(entry.tag, Field(entry.tag, entry.type, entry.count, tiff.raw(entry)))
            else:
                gone.append(tag_name(_DIRECTORIES[len(tables)], entry.tag))
        tables.append(table)
    note = named[1].get(MAKER_NOTE) if named[1] is not None else None
    while True:
        built = build_exif(tiff.order, *(t.values() for t in tables), pinned=note.value_at if note else None)
        if len(built) <= limit:
            break
        excess = len(built) - limit
        while excess > 0:
            held = [(len(field.data), i, field.tag) for i, table in enumerate(tables) for field in table.values()]
            if not held:
                return None, (DAMAGED,)
            size, i, tag = max(held, key=lambda item: (item[2] != ORIENTATION, item))
            del tables[i][tag]
            gone.append(tag_name(_DIRECTORIES[i], tag))
            excess -= size + 12
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    notices: tuple[str, ...] = (f"{TOO_LONG}: {', '.join(gone[:_NAMED])}{more}.",) if gone else ()
    if note is not None and MAKER_NOTE in tables[1] and not _stands(built, note.value_at):
        notices += (NOTE_MOVED,)
    return built, notices


def _stands(exif: bytes, at: int) -> bool:
    """Whether the maker note stands at this offset."""
    tiff = Tiff(exif)
    photo = tiff.pointed(tiff.ifd(tiff.first), EXIF_POINTER)
    note = photo.get(MAKER_NOTE) if photo is not None else None
    return note is not None and note.value_at == at
