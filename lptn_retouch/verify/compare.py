"""The tag-by-tag difference between a photograph's metadata and its result's: what `lptn-retouch verify` prints."""

import json
import mmap
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from lptn_retouch.choices import MetadataChoice
from lptn_retouch.codecs.detect import detect_file
from lptn_retouch.errors import MetadataError, shown
from lptn_retouch.metadata.exif.tags import RESOLUTION_TAGS, X_RESOLUTION
from lptn_retouch.metadata.private import without_private
from lptn_retouch.metadata.recipe import read_recipe
from lptn_retouch.verify.containers import Carried, carried_by
from lptn_retouch.verify.reasons import (
    ALL,
    IN_COMMENT,
    MOVED,
    PRIVATE,
    TURNED,
    is_maker_note,
    is_orientation,
    is_storage,
    may_stand_anywhere,
    reason_changed,
    reason_dropped,
)
from lptn_retouch.verify.tags import Tag, tags_of

Verdict: TypeAlias = Literal["kept", "changed", "dropped", "lost", "added"]
_ORDER: tuple[Verdict, ...] = ("lost", "changed", "dropped", "added", "kept")
_CELL = 40
_OF_PIXELS = ("ICC", "JFIF", "ADOBE")


@dataclass(frozen=True, slots=True)
class TagVerdict:
    """What became of one tag; `before` is None for an added one, `after` None for one that is gone."""

    group: str
    tag: str
    before: str | None
    after: str | None
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Diff:
    """All tags of two files, in the order of the first, then what only the second has.

    Args:
        entries: a verdict each.
        bare: the second holds pixels and perhaps their profile, and nothing else.

    >>> Diff((TagVerdict("GPS", "GPSLatitude", "51 30 0", None, "lost"),)).ok
    False
    """

    entries: tuple[TagVerdict, ...] = ()
    bare: bool = False

    @property
    def lost(self) -> tuple[TagVerdict, ...]:
        """Tags that are missing or altered without a known reason."""
        return self.having("lost")

    @property
    def ok(self) -> bool:
        """Whether nothing was lost."""
        return not self.lost

    @property
    def counts(self) -> dict[str, int]:
        """How many tags have each verdict."""
        found = Counter(entry.verdict for entry in self.entries)
        return {verdict: found[verdict] for verdict in _ORDER}

    def having(self, verdict: Verdict) -> tuple[TagVerdict, ...]:
        """The entries with one verdict."""
        return tuple(entry for entry in self.entries if entry.verdict == verdict)

    def to_json(self) -> str:
        """Everything, as a JSON object with `ok`, `counts` and `entries`.

        >>> Diff().to_json().splitlines()[1]
        ' "ok": true,'
        """
        body = {"ok": self.ok, "counts": self.counts, "entries": [asdict(entry) for entry in self.entries]}
        return json.dumps(body, ensure_ascii=False, indent=1)

    def to_text(self, *, all_tags: bool = False) -> str:
        """A compact table: one line of counts, then a line for each tag that is not simply kept.

        Args:
            all_tags: list the kept ones too.

        >>> print(Diff((TagVerdict("GPS", "GPSLatitude", "51", None, "lost"),)).to_text())
        kept 0, changed 0, dropped 0, added 0, lost 1
          lost     GPS GPSLatitude: 51
        """
        counts = self.counts
        lines = [", ".join(f"{name} {counts[name]}" for name in ("kept", "changed", "dropped", "added", "lost"))]
        for verdict in _ORDER:
            if verdict != "kept" or all_tags:
                lines += [_line(entry) for entry in self.having(verdict)]
        return "\n".join(lines)


def _line(entry: TagVerdict) -> str:
    values = [_cell(value) for value in (entry.before, entry.after) if value is not None]
    values = values[:1] if entry.verdict == "kept" else values
    why = f"  ({entry.reason})" if entry.reason else ""
    return f"  {entry.verdict:8} {entry.group} {entry.tag}: {' -> '.join(values)}{why}"


def _cell(value: str) -> str:
    """A value on one line; control characters, which a file may hold to steer a terminal, are shown as escapes."""
    plain = shown(value)
    return plain if len(plain) <= _CELL else plain[: _CELL - 3] + "..."


def compare(before: Path, after: Path, metadata: MetadataChoice | None = None) -> Diff:
    """Compare the metadata of a photograph with that of its result, tag by tag.

    Args:
        before: the source: JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG XL, GIF or RAW.
        after: the result: likewise.
        metadata: what the result was saved with, so that what was meant to go counts as dropped; None for what its
            recipe says. A result of "none" holds no recipe, and looks the same as one that lost everything.

    Returns:
        A verdict for every tag; `Diff.ok` says whether anything was lost without a reason.

    Raises:
        MetadataError: one of the files is of a kind that cannot be read.
        OSError: one of the files cannot be opened.

    >>> compare(Path("/dev/null"), Path("/dev/null"))
    Traceback (most recent call last):
    lptn_retouch.errors.MetadataError: /dev/null is not a file with a picture; give a photograph.

    Source: the rules are in `reasons`; tags as in Exif 3.0 (CIPA DC-008), XMP part 1, IPTC-IIM 4.2.
    """
    source, old = read_tags(before)
    result, new = read_tags(after)
    verdicts = _verdicts(source, old, result, new)
    if metadata == "none":
        every = {(tag.group, tag.name) for tag in old if tag.group != "ICC"}
        verdicts = [_meant(entry, every, ALL) for entry in verdicts]
    elif metadata == "strip-private" or (metadata is None and _is_stripped(result)):
        private = _private_tags(source)
        verdicts = [_meant(entry, private, PRIVATE) for entry in verdicts]
    return Diff((*verdicts,), bare=all(_is_of_pixels(tag) for tag in new))


def _is_of_pixels(tag: Tag) -> bool:
    """Whether a picture without metadata says this as well: every TIFF has a resolution."""
    return is_storage(tag) or tag.group in _OF_PIXELS or (tag.group == "IFD0" and tag.number in RESOLUTION_TAGS)


def _meant(entry: TagVerdict, left_out: set[tuple[str, str]], reason: str) -> TagVerdict:
    """A loss that was asked for is none."""
    if entry.verdict == "lost" and entry.after is None and (entry.group, entry.tag) in left_out:
        return replace(entry, verdict="dropped", reason=reason)
    return entry


def _is_stripped(result: Carried) -> bool:
    """Whether a result says itself that its private metadata was left out on purpose."""
    with suppress(MetadataError):
        recipe = read_recipe(result.metadata)
        return recipe is not None and recipe.metadata == "strip-private"
    return False


def _private_tags(source: Carried) -> set[tuple[str, str]]:
    """The tags that `metadata="strip-private"` leaves out of a picture."""
    spared, _ = without_private(source.metadata)
    left = {_key(tag) for tag in tags_of(replace(source, metadata=spared))}
    return {(tag.group, tag.name) for tag in tags_of(source) if _key(tag) not in left}


def read_tags(path: Path) -> tuple[Carried, list[Tag]]:
    """What a file carries, and its tags; everything that outlives the mapped file is taken out of it.

    Raises:
        MetadataError: it is of a kind that cannot be read.
        OSError: it cannot be opened.
    """
    if not path.is_file() or path.stat().st_size < 2:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        raise MetadataError(f"{path} is not a file with a picture; give a photograph.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            carried = carried_by(data, _kind(file))
        except MetadataError as error:
            raise MetadataError(f"{path}: {error}") from error
        tags = [_with_note_kind(tag, carried) for tag in tags_of(carried)]
    return replace(carried, file=None), tags


def _kind(file: BinaryIO) -> str:
    kind = detect_file(file)
    if kind is None:
        raise MetadataError("this is no picture that is known; give a JPEG, PNG, WebP, TIFF, AVIF or RAW file.")
    return kind


def _with_note_kind(tag: Tag, carried: Carried) -> Tag:
    """A maker note that may stand anywhere gets place 0, so that only the others are compared by place."""
    if not is_maker_note(tag) or carried.exif is None:
        return tag
    return tag._replace(at=0) if may_stand_anywhere(bytes(carried.exif[tag.at : tag.at + 16])) else tag


def _key(tag: Tag) -> tuple[str, str]:
    # TIFF/EP cameras keep in IFD0 what Exif keeps in its own directory: there they are the same tag.
    return ("EXIF" if tag.group in ("IFD0", "ExifIFD") else tag.group, tag.name)


def _verdicts(source: Carried, old: list[Tag], result: Carried, new: list[Tag]) -> list[TagVerdict]:
    left: dict[tuple[str, str], list[Tag]] = {}
    for tag in new:
        left.setdefault(_key(tag), []).append(tag)
    has_resolution = any(tag.group == "IFD0" and tag.number == X_RESOLUTION for tag in new)
    same = {}
    for i, tag in enumerate(old):  # equal values find each other first, or a repeated tag would pair up wrongly
        twins = left.get(_key(tag), [])
        twin = next((other for other in twins if other.value == tag.value), None)
        if twin is not None:
            twins.remove(twin)
            same[i] = twin
    entries = []
    for i, tag in enumerate(old):
        if i in same:
            entries.append(_kept(tag, same[i]))
            continue
        others = left.get(_key(tag), [])
        comment = next((other for other in left.get(("Text", "Comment"), ()) if _is_comment_of(other, tag)), None)
        if others:
            entries.append(_altered(tag, others.pop(0), source))
        elif comment is not None:
            left["Text", "Comment"].remove(comment)
            entries.append(TagVerdict(tag.group, tag.name, tag.value, comment.value, "kept", IN_COMMENT))
        else:
            entries.append(_gone(tag, source, result.container, has_resolution))
    added = (tag for tags in left.values() for tag in tags if not is_storage(tag))
    return entries + [TagVerdict(tag.group, tag.name, None, tag.value, "added") for tag in added]


def _kept(tag: Tag, twin: Tag) -> TagVerdict:
    if is_maker_note(tag) and tag.at != twin.at:
        return TagVerdict(tag.group, tag.name, tag.value, twin.value, "changed", MOVED)
    return TagVerdict(tag.group, tag.name, tag.value, twin.value, "kept")


def _is_comment_of(comment: Tag, tag: Tag) -> bool:
    """Whether a JPEG's comment says what a PNG's text with a keyword said."""
    return tag.group == "Text" and comment.value == f"{tag.name}: {tag.value}"


def _altered(tag: Tag, twin: Tag, source: Carried) -> TagVerdict:
    reason = reason_changed(tag, twin, from_raw=source.is_raw)
    return TagVerdict(tag.group, tag.name, tag.value, twin.value, "changed" if reason else "lost", reason or "")


def _gone(tag: Tag, source: Carried, into: str, has_resolution: bool) -> TagVerdict:
    if is_orientation(tag) and tag.value == "1":
        return TagVerdict(tag.group, tag.name, tag.value, None, "kept", "absent means upright")
    reason = reason_dropped(tag, from_raw=source.is_raw, into=into, result_has_resolution=has_resolution)
    verdict: Verdict = "changed" if reason == TURNED else "dropped" if reason else "lost"
    return TagVerdict(tag.group, tag.name, tag.value, None, verdict, reason or "")
