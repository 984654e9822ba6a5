"""Boxes, as HEIF, JPEG XL, JPEG 2000 and CR3 have them: walked without trust."""

from hypothesis import given
from hypothesis import strategies as st

from lptn_retouch.structures.boxes import box_head, box_of, find, find_all, walk


def test_boxes_of_every_size_form_are_walked_in_order() -> None:
    wide = (1).to_bytes(4, "big") + b"wide" + (20).to_bytes(8, "big") + b"four"
    own = box_of(b"uuid", bytes(range(16)), b"mine")
    data = box_of(b"ftyp", b"avif") + wide + own + bytes(4) + b"restto the end"
    found = [(box.type, data[box.at : box.end]) for box in walk(data)]
    assert found == [(b"ftyp", b"avif"), (b"wide", b"four"), (bytes(range(16)), b"mine"), (b"rest", b"to the end")]
    assert [box.end for box in walk(data)][:-1] == [box.start for box in walk(data)][1:]


@given(st.binary(max_size=200))
def test_whatever_the_bytes_boxes_lie_inside_and_one_behind_the_other(data: bytes) -> None:
    end = 0
    for box in walk(data):
        assert end == box.start < box.at <= box.end <= len(data)
        end = box.end


def test_a_path_leads_through_uuid_boxes_and_through_meta_which_has_a_version() -> None:
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    inner = box_of(b"CMT1", b"one") + box_of(b"CMT2", b"two")
    data = box_of(b"free") + box_of(b"moov", box_of(b"uuid", canon, inner))
    data += box_of(b"meta", bytes(4), box_of(b"idat", b"a"), box_of(b"idat", b"b"))
    two = find(data, b"moov", canon, b"CMT2")
    assert two is not None
    assert data[two.at : two.end] == b"two"
    assert [data[box.at : box.end] for box in find_all(data, b"meta", b"idat")] == [b"a", b"b"]
    assert find(data, b"moov", bytes(16), b"CMT2") is None


def test_a_box_of_four_gigabytes_gets_a_wide_size() -> None:
    assert box_head(b"jxlc", (1 << 32) - 9) == b"\xff\xff\xff\xffjxlc"
    assert box_head(b"jxlc", (1 << 32) - 8) == b"\0\0\0\1jxlc" + ((1 << 32) + 8).to_bytes(8, "big")
