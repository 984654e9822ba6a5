"""Recipes in XMP: read back as written, replaced and not piled up, believed only where they are harmless."""

import hashlib
import math
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lptn_retouch.codecs.jpeg.embed import embed_jpeg
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata import Metadata
from lptn_retouch.metadata.recipe import IPTC_EXTENSION, RECIPE, Recipe, read_recipe, with_recipe
from lptn_retouch.metadata.xmp.edit import with_properties, without_properties
from lptn_retouch.metadata.xmp.properties import xmp_properties
from lptn_retouch.structures.xml import parse_xmp
from tests.builders import plain, xmp_packet
from tests.places import SAMPLES

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
PLAIN = Recipe("winter-2", "3", "ab" * 32, 1.0, 0.5, False, "IMG_1.jpg", "cd" * 32, version="1.0")


def source_types(metadata: Metadata) -> list[str]:
    return [p.value for p in xmp_properties(metadata.xmp or b"") if p.space == IPTC_EXTENSION]


def carrying(**fields: object) -> Metadata:
    """A recipe as a forger might write it."""
    values = {"Preset": "winter", "PresetVersion": "1", "WeightsSHA256": "ab" * 32, "Amount": "1.0",
              "Detail": "1.0", "Masked": "False", "SourceName": "a.jpg", "SourceSHA256": "cd" * 32,
              "Alters": "", "Version": "1"}  # fmt: skip
    values |= {name: str(value) for name, value in fields.items()}
    return Metadata.build(xmp=with_properties(None, RECIPE, "lptn", {k: v for k, v in values.items() if v != "absent"}))


strengths = st.floats(0, 2)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\:"), min_size=1, max_size=60)


@given(strengths, strengths, st.booleans(), names, st.integers(1, 100) | st.none(), st.sampled_from([None, 8, 16, 32]))
def test_what_is_written_is_read(
    amount: float, detail: float, masked: bool, name: str, quality: int | None, depth: int | None
) -> None:
    source = name if name not in (".", "..") and len(name.encode()) <= 255 and "\ufffe" not in name else "x"
    recipe = replace(
        PLAIN, amount=amount, detail=detail, masked=masked, source_name=source, quality=quality, bit_depth=depth,
        metadata="keep", profile="srgb",
    )  # fmt: skip
    metadata, notices = with_recipe(Metadata(), recipe, altered=False)
    found = read_recipe(metadata)
    assert notices == ()
    # What XML has no place for (U+FFFF, for example) leaves the name out and nothing else.
    assert found in (recipe, replace(recipe, source_name=""))
    assert found is not None and (found.source_name == source or not source.isprintable())


def test_a_second_recipe_takes_the_place_of_the_first_and_the_rest_stays() -> None:
    inside = '<rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="a &amp; b"/>'
    metadata = Metadata.build(xmp=xmp_packet(inside))
    for amount in (0.25, 0.5, 0.75):
        metadata, _ = with_recipe(metadata, replace(PLAIN, amount=amount), altered=True)
    once, _ = with_recipe(Metadata.build(xmp=xmp_packet(inside)), replace(PLAIN, amount=0.75), altered=True)
    assert metadata.xmp == once.xmp
    assert inside.encode() in (metadata.xmp or b"")
    assert read_recipe(metadata) == replace(PLAIN, amount=0.75)
    assert (metadata.xmp or b"").count(b'about="uuid:1"') == 3, "all Descriptions speak of one subject"


def test_padding_is_used_up_before_the_packet_grows() -> None:
    before = xmp_packet("", padding=4000)
    metadata, _ = with_recipe(Metadata.build(xmp=before), PLAIN, altered=True)
    assert len(metadata.xmp or b"") == len(before)
    assert read_recipe(metadata) == PLAIN


EMPTY = f"<rdf:RDF {RDF}/>"


@pytest.mark.parametrize("rdf", [EMPTY, EMPTY.replace("/>", "></rdf:RDF>"), EMPTY.replace("rdf:R", "r:R").replace(
    "rdf=", "r="), EMPTY.replace("rdf:RDF", "RDF").replace(":rdf", "")])  # fmt: skip
def test_an_empty_packet_in_any_spelling_takes_a_recipe(rdf: str) -> None:
    metadata, notices = with_recipe(Metadata.build(xmp=rdf.encode()), PLAIN, altered=False)
    assert (notices, read_recipe(metadata)) == ((), PLAIN)


@pytest.mark.parametrize(
    "broken",
    [
        b"<x:xmpmeta",
        b"no XML",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a/>',
        xmp_packet("").decode().encode("utf-16"),
    ],
)
def test_a_damaged_packet_stays_as_it_is(broken: bytes) -> None:
    metadata = Metadata.build(xmp=broken)
    after, notices = with_recipe(metadata, PLAIN, altered=True)
    assert after == metadata
    assert len(notices) == 1 and "recipe" in notices[0]


def test_a_packet_that_is_full_for_a_jpeg_takes_the_recipe_and_the_rest_moves_to_extended_xmp() -> None:
    inside = '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="%s"/>' % ("x" * 64800)
    after, notices = with_recipe(Metadata.build(xmp=xmp_packet(inside)), PLAIN, altered=True)
    jpeg, left_out = embed_jpeg(plain(), after)
    assert notices == left_out == ()
    again = Metadata.from_jpeg(jpeg)
    assert read_recipe(again) == PLAIN and len(again.extended_xmp) == 1
    assert "x" * 64800 in {p.value for p in xmp_properties(again.extended_xmp[0])}


def test_the_source_type_is_set_only_where_the_picture_was_altered_and_says_less_so_far() -> None:
    space = "http://cv.iptc.org/newscodes/digitalsourcetype/"
    ours = f"{space}algorithmicallyEnhanced"
    assert source_types(with_recipe(Metadata(), PLAIN, altered=False)[0]) == []
    assert source_types(with_recipe(Metadata(), PLAIN, altered=True)[0]) == [ours]
    forms = ('<rdf:Description xmlns:i="{0}" i:DigitalSourceType="{1}"/>',
             '<rdf:Description xmlns:i="{0}"><i:DigitalSourceType>{1}</i:DigitalSourceType></rdf:Description>',
             '<rdf:Description xmlns:i="{0}"><i:DigitalSourceType rdf:resource="{1}"/></rdf:Description>')  # fmt: skip
    for form in forms:
        for old, new in (("digitalCapture", ours), ("negativeFilm", ours), ("algorithmicallyEnhanced", ours),
                         ("trainedAlgorithmicMedia", f"{space}trainedAlgorithmicMedia"),
                         ("compositeSynthetic", f"{space}compositeSynthetic")):  # fmt: skip
            metadata = Metadata.build(xmp=xmp_packet(form.format(IPTC_EXTENSION, space + old)))
            assert source_types(with_recipe(metadata, PLAIN, altered=True)[0]) == [new], (form, old)


@pytest.mark.parametrize(
    "forged",
    [
        {"Preset": "../../etc/passwd"},
        {"Preset": "/tmp/evil.safetensors"},
        {"SourceName": "../a.jpg"},
        {"SourceName": "C:\\a.jpg"},
        {"SourceName": ".."},
        {"SourceName": "x" * 256},
        {"SourceSHA256": "cd" * 31},
        {"WeightsSHA256": ""},
        {"WeightsSHA256": "AB" * 32},
        {"Amount": "nan"},
        {"Amount": "inf"},
        {"Amount": "2.01"},
        {"Amount": "-0.5"},
        {"Amount": "1_0"},
        {"Detail": "1e999"},
        {"Detail": "absent"},
        {"Masked": "maybe"},
        {"Quality": "101"},
        {"Quality": "9" * 5000},
        {"BitDepth": "12"},
        {"Metadata": "none; rm"},
        {"Profile": "wide"},
        {"PresetVersion": "\n" * 3},
        {"Version": "1" * 65},
    ],
)
def test_a_forged_recipe_is_refused_in_one_sentence(forged: dict[str, str]) -> None:
    with pytest.raises(MetadataError) as error:
        read_recipe(carrying(**forged))
    assert str(error.value).count(". ") == 0 and len(str(error.value)) < 200


def test_two_answers_to_one_question_are_none() -> None:
    twice = with_properties(carrying().xmp, RECIPE, "lptn", {})
    extra = f'<rdf:Description {RDF} xmlns:l="{RECIPE}" l:Amount="2.0"/></rdf:RDF>'.encode()
    with pytest.raises(MetadataError):
        read_recipe(Metadata.build(xmp=twice.replace(b"</rdf:RDF>", extra)))
    listed = "<l:Amount><rdf:Bag><rdf:li>1</rdf:li></rdf:Bag></l:Amount>"
    with pytest.raises(MetadataError):
        read_recipe(Metadata.build(xmp=xmp_packet(f'<rdf:Description xmlns:l="{RECIPE}">{listed}</rdf:Description>')))


def test_names_that_no_file_can_have_are_not_written() -> None:
    recipe = replace(
        PLAIN, preset="a preset/of mine", source_name="two\x00\x1b[31mlines\ud800", preset_version="v" * 99
    )
    found = read_recipe(with_recipe(Metadata(), recipe, altered=False)[0])
    assert found == replace(PLAIN, preset="", source_name="", preset_version="")


def test_in_real_packets_nothing_else_changes(shared: Path) -> None:
    seen = 0
    for path in sorted((shared / "data" / "camera-jpegs").iterdir()):
        metadata = Metadata.from_jpeg(path.read_bytes())
        try:
            before = xmp_properties(metadata.xmp or b"")
        except MetadataError:
            continue
        after, _ = with_recipe(metadata, PLAIN, altered=False)
        if after == metadata:
            continue
        seen += 1
        rest = [p for p in xmp_properties(after.xmp or b"") if p.space != RECIPE]
        assert rest == before, path.name
        assert read_recipe(after) == PLAIN
        removed, _ = without_properties(after.xmp or b"", lambda space, _: space == RECIPE)
        assert xmp_properties(removed) == before
        assert parse_xmp(removed)
    assert seen >= 15


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_packet_makes_reading_or_writing_crash(noise: bytes, at: int) -> None:
    whole = xmp_packet('<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="x"/>', padding=50)
    metadata = Metadata.build(xmp=whole[:at] + noise + whole[at + len(noise) :])
    after, notices = with_recipe(metadata, PLAIN, altered=True)
    assert after == metadata if notices else read_recipe(after) == PLAIN


@pytest.mark.parametrize("amount", [0, 1, 2, 1 / 3, 5e-324, math.nextafter(2, 0)])
def test_strengths_come_back_bit_for_bit(amount: float) -> None:
    found = read_recipe(with_recipe(Metadata(), replace(PLAIN, amount=amount), altered=False)[0])
    assert found is not None and found.amount == amount


# The command.


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A source, and its result in a folder below."""

    from lptn_retouch.cli import main

    source = tmp_path / "lake.jpg"
    with Image.open(SAMPLES / "lake-sherburne.jpg") as image:
        image.resize((image.width // 8, image.height // 8)).save(source, exif=image.info["exif"], quality=90)
    (tmp_path / "out").mkdir()
    result = tmp_path / "out" / "done.png"
    assert main(["apply", str(source), "-o", str(result), "--amount", "0.7", "--detail", "1.3"]) == 0
    return source, result


def test_redo_gives_the_same_file_again(made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    from lptn_retouch.cli import main

    _, result = made
    assert main(["redo", str(result)]) == 0
    again = result.with_name("done-redo.png")
    assert again.read_bytes() == result.read_bytes()
    assert str(again) in capsys.readouterr().out
    assert main(["redo", str(result)]) == 1  # over no file that is there
    assert "is there already" in capsys.readouterr().err
    assert main(["redo", str(result), "--skip"]) == 0
    assert sorted(path.name for path in result.parent.iterdir()) == ["done-redo.png", "done.png"]


def test_redo_finds_a_source_that_moved(made: tuple[Path, Path], tmp_path: Path) -> None:
    from lptn_retouch import open_photo
    from lptn_retouch.cli import main

    source, result = made
    far = tmp_path / "far" / "away"
    far.mkdir(parents=True)
    source.rename(far / "renamed.jpg")
    assert main(["redo", str(result)]) == 1
    assert main(["redo", str(result), "--source", str(far)]) == 1  # not under its name
    assert main(["redo", str(result), "--source", str(far / "renamed.jpg"), "-o", str(tmp_path / "a.png")]) == 0
    assert (open_photo(tmp_path / "a.png").pixels == open_photo(result).pixels).all()  # the recipe has the new name
    assert main(["redo", str(result), "--source", str(tmp_path / "nowhere")]) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no file can have such a name")
@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"12:30.jpg", b"back\\slash.jpg", b"\xff:\n.jpg"])
def test_redo_finds_a_source_whose_name_stands_in_no_recipe(tmp_path: Path, name: bytes) -> None:
    """By its content, beside the result, a folder up, or in the folder named."""

    from lptn_retouch.cli import main

    source = tmp_path / os.fsdecode(name)
    Image.new("RGB", (60, 40), (90, 120, 90)).save(source)
    (tmp_path / "other.jpg").write_bytes(b"no picture")
    (tmp_path / "away").mkdir()
    result = tmp_path / "out" / "done.png"
    assert main(["apply", str(source), "-o", f"{tmp_path}/out/", "--format", "png"]) == 0
    result = next((tmp_path / "out").iterdir()).rename(tmp_path / "out" / "done.png")
    assert main(["redo", str(result)]) == 0
    assert result.with_name("done-redo.png").read_bytes() == result.read_bytes()
    source.rename(tmp_path / "away" / source.name)
    assert main(["redo", str(result)]) == 1
    again = tmp_path / "again.png"
    assert main(["redo", str(result), "--source", str(tmp_path / "away"), "-o", str(again)]) == 0
    assert again.read_bytes() == result.read_bytes()


def test_redo_refuses_another_source_or_preset(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lptn_retouch.cli import main

    source, result = made
    data = source.read_bytes()
    source.write_bytes(data + b"\0")
    assert main(["redo", str(result)]) == 1
    assert "content is another" in capsys.readouterr().err
    source.write_bytes(data)
    assert main(["redo", str(result), "--preset", "winter"]) == 1
    assert "other weights" in capsys.readouterr().err
    assert not list(result.parent.glob("*redo*"))
    assert main(["redo", str(source)]) == 1
    assert "no recipe" in capsys.readouterr().err
    (tmp_path / "text.jpg").write_text("hello")
    assert main(["redo", str(tmp_path / "text.jpg")]) == 1
    assert main(["redo", str(tmp_path / "missing.jpg")]) == 1


def test_redo_of_a_masked_result_is_refused(made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from lptn_retouch import open_photo, retouch
    from lptn_retouch.cli import main

    source, result = made
    size = open_photo(source).pixels.shape[:2]
    retouch(source, mask=np.ones(size, np.float32)).save(result.with_name("masked.png"))
    assert main(["redo", str(result.with_name("masked.png"))]) == 1
    assert "mask" in capsys.readouterr().err


def test_the_recipe_names_the_source_by_its_content(made: tuple[Path, Path]) -> None:
    from lptn_retouch import open_photo

    source, result = made
    recipe = read_recipe(open_photo(result).metadata)
    assert recipe is not None
    assert (recipe.source_name, recipe.amount, recipe.detail) == ("lake.jpg", 0.7, 1.3)
    assert recipe.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    shutil.copy(result, result.with_name("copy.png"))
    assert read_recipe(open_photo(result.with_name("copy.png")).metadata) == recipe
