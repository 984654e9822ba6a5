"""IPTC's older records (IIM) said again in XMP, for containers that have no place for them."""

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.photoshop import IptcRecord, iptc_records
from lptn_retouch.metadata.xmp.edit import is_xml_text, with_description
from lptn_retouch.metadata.xmp.properties import xmp_properties
from lptn_retouch.structures.xml import RDF, escaped

_SPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}


class _Place(NamedTuple):
    """Where a data set of record 2 stands in XMP: prefix and name, the form of its value, and what users call it."""

    prefix: str
    name: str
    form: str
    called: str


_TEXT, _BAG, _SEQ, _ALT, _DATE = "text", "Bag", "Seq", "Alt", "date"
_PLACES = {
    5: _Place("dc", "title", _ALT, "title"),
    10: _Place("photoshop", "Urgency", _TEXT, "urgency"),
    15: _Place("photoshop", "Category", _TEXT, "category"),
    20: _Place("photoshop", "SupplementalCategories", _BAG, "supplemental categories"),
    25: _Place("dc", "subject", _BAG, "keywords"),
    40: _Place("photoshop", "Instructions", _TEXT, "instructions"),
    55: _Place("photoshop", "DateCreated", _DATE, "date created"),
    62: _Place("xmp", "CreateDate", _DATE, "date of digitization"),
    80: _Place("dc", "creator", _SEQ, "by-line"),
    85: _Place("photoshop", "AuthorsPosition", _TEXT, "by-line title"),
    90: _Place("photoshop", "City", _TEXT, "city"),
    92: _Place("Iptc4xmpCore", "Location", _TEXT, "sublocation"),
    95: _Place("photoshop", "State", _TEXT, "state"),
    100: _Place("Iptc4xmpCore", "CountryCode", _TEXT, "country code"),
    101: _Place("photoshop", "Country", _TEXT, "country"),
    103: _Place("photoshop", "TransmissionReference", _TEXT, "transmission reference"),
    105: _Place("photoshop", "Headline", _TEXT, "headline"),
    110: _Place("photoshop", "Credit", _TEXT, "credit"),
    115: _Place("photoshop", "Source", _TEXT, "source"),
    116: _Place("dc", "rights", _ALT, "copyright notice"),
    120: _Place("dc", "description", _ALT, "caption"),
    122: _Place("photoshop", "CaptionWriter", _TEXT, "caption writer"),
}
_TIMES = {55: 60, 62: 63}
_VERSION = 0
_CHARACTER_SET, _UTF8 = (1, 90), b"\x1b%G"
_DATE_FORM = re.compile(r"(\d{4})(\d{2})(\d{2})")
_TIME_FORM = re.compile(r"(\d{2})(\d{2})(\d{2})(?:([+-]\d{2})(\d{2}))?")

DAMAGED = "The IPTC data was left out: it had to go into the XMP, which is damaged."


def with_iptc_in_xmp(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Say in XMP what IPTC records say and XMP does not yet, so that captions outlive a container without IPTC.

    Args:
        metadata: all blocks of the picture.

    Returns:
        The blocks, with a Description more in the XMP or with a new packet, and a sentence that names what XMP has no
        place for, or holds otherwise.

    >>> from lptn_retouch.metadata.photoshop import coded_resource
    >>> iptc = coded_resource(0x0404, b"\\x1c\\x02\\x69\\0\\4Dawn")
    >>> b"Dawn</photoshop:Headline>" in with_iptc_in_xmp(Metadata.build(photoshop=iptc))[0].xmp
    True

    Source: IPTC Photo Metadata Standard 2023.1 (IIM to XMP); IPTC-NAA Information Interchange Model 4.2.
    """
    records = list(iptc_records(metadata.iptc))
    if not records:
        return metadata, ()
    encoding = "utf-8" if any(r[:2] == _CHARACTER_SET and r.value == _UTF8 for r in records) else None
    said = _grouped(records, encoding)
    try:
        present = _present(metadata)
        new = {place: values for place, values in said.items() if (_SPACES[place.prefix], place.name) not in present}
        packet = with_description(metadata.xmp, _description(new)) if new else metadata.xmp
    except MetadataError:
        return metadata, (DAMAGED,)
    homeless = sorted({r.dataset for r in records if r.record == 2} - {_VERSION, *_PLACES, *_TIMES.values()})
    lost = [f"2:{dataset}" for dataset in homeless]
    for place, values in said.items():
        held = present.get((_SPACES[place.prefix], place.name))
        if held is not None and not _is_held(place, values, held):
            lost.append(f"{place.called} (the XMP says otherwise)")
    notices = (f"IPTC data that could not go into the XMP was left out: {', '.join(lost)}.",) if lost else ()
    return metadata.with_xmp(packet) if new and packet else metadata, notices


def _grouped(records: Iterable[IptcRecord], encoding: str | None) -> dict[_Place, list[str]]:
    values: dict[int, list[str]] = {}
    for record, dataset, value in records:
        if record == 2 and (text := _text(value, encoding)):
            values.setdefault(dataset, []).append(text)
    found: dict[_Place, list[str]] = {}
    for dataset, place in _PLACES.items():
        texts = values.get(dataset, [])
        if place.form == _DATE:
            texts = _dates(texts, values.get(_TIMES[dataset], []))
        if texts:
            found[place] = texts if place.form in (_BAG, _SEQ) else texts[:1]
    return found


def _text(value: bytes, encoding: str | None) -> str:
    try:
        text = value.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return "".join(character for character in text.rstrip("\0 ") if is_xml_text(character))


def _dates(dates: list[str], times: list[str]) -> list[str]:
    """A date, with its time where there is one, as XMP writes it; parts that are unknown are left out."""
    date = _DATE_FORM.fullmatch(dates[0]) if dates else None
    if date is None or date[1] == "0000":
        return []
    year, month, day = date.groups()
    if month == "00" or day == "00":
        return [year if month == "00" else f"{year}-{month}"]
    time = _TIME_FORM.fullmatch(times[0]) if times else None
    if time is None:
        return [f"{year}-{month}-{day}"]
    zone = f"{time[4]}:{time[5]}" if time[4] else ""
    return [f"{year}-{month}-{day}T{time[1]}:{time[2]}:{time[3]}{zone}"]


def _present(metadata: Metadata) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for packet in (metadata.xmp, *metadata.extended_xmp):
        for item in xmp_properties(packet) if packet else ():
            found.setdefault((item.space, item.name), []).append(item.value)
    return found


def _is_held(place: _Place, values: list[str], held: list[str]) -> bool:
    """Whether XMP says the same; IPTC's values may be cut short, and dates are written in many ways."""
    if place.form == _DATE:
        return True
    spoken = sorted(" ".join(text.split()) for text in held)

    def is_said(value: str) -> bool:
        at = bisect_left(spoken, value)  # what begins with it comes next in the alphabet
        return at < len(spoken) and spoken[at].startswith(value)

    return all(is_said(" ".join(value.split())) for value in values)


def _description(said: dict[_Place, list[str]]) -> bytes:
    spaces = {place.prefix: _SPACES[place.prefix] for place in said}
    declared = "".join(f' xmlns:{prefix}="{space}"' for prefix, space in spaces.items())
    inside = "".join(
        f"<{p.prefix}:{p.name}>{_value(p.form, values)}</{p.prefix}:{p.name}>" for p, values in said.items()
    )
    return f'<rdf:Description xmlns:rdf="{RDF}" rdf:about=""{declared}>{inside}</rdf:Description>'.encode()


def _value(form: str, values: list[str]) -> str:
    texts = [escaped(value) for value in values]
    if form in (_TEXT, _DATE):
        return texts[0]
    language = ' xml:lang="x-default"' if form == _ALT else ""
    return f"<rdf:{form}>" + "".join(f"<rdf:li{language}>{text}</rdf:li>" for text in texts) + f"</rdf:{form}>"
