"""What a batch will do: which files count, what results are called, and what is refused before any work."""

import os
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lptn_retouch import Photo, errors
from lptn_retouch.batch.naming import Names, folded, is_too_long
from lptn_retouch.batch.plan import Choice, Plan, make_plan
from lptn_retouch.batch.rules import matches, read_rules
from lptn_retouch.batch.settings import Look, Output
from lptn_retouch.batch.shot import Shot, read_shot
from lptn_retouch.metadata import Metadata
from tests.places import SAMPLES

GREY = Photo(np.full((24, 32, 3), 90, np.uint8))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def put(path: Path, photo: Photo = GREY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    photo.save(path)
    return path


def plan_of(source: Path, *outputs: Output, choice: Choice | None = None, owners: dict[str, str] | None = None) -> Plan:
    return make_plan(source, source.parent / "out", outputs or (Output(),), choice or Choice(), owners)


def names(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {job.found.file: job.targets for job in plan.jobs}


# Which files count.


def test_the_tree_is_mirrored_and_photographs_are_told_by_content(source: Path) -> None:
    put(source / "2024" / "june" / "a.jpg")
    put(source / "b.png").rename(source / "no ending")
    shutil.copy(SAMPLES / "canon-s40.crw", source / "c.crw")
    (source / "notes.txt").write_text("hello")
    (source / "empty.jpg").touch()
    plan = plan_of(source)
    assert names(plan) == {
        str(Path("2024", "june", "a.jpg")): (str(Path("2024", "june", "a.jpg")),),
        "c.crw": ("c.jpg",),
        "empty.jpg": ("empty.jpg",),
        "no ending": ("no ending.jpg",),
    }
    assert plan.left_out == {"no photographs": 1}


@pytest.mark.parametrize("name", ["Thumbs.db", ".DS_Store", "._a.jpg", ".hidden/a.jpg", "@eaDir/a.jpg", "desktop.ini"])
def test_hidden_and_system_files_are_passed_over(source: Path, name: str) -> None:
    put(source / "x.jpg")
    (source / name).parent.mkdir(exist_ok=True)
    shutil.copy(source / "x.jpg", source / name)
    plan = plan_of(source)
    assert list(names(plan)) == ["x.jpg"]
    assert plan.left_out == {"hidden and system files": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_links_out_of_the_folder_pipes_and_links_to_nowhere_are_not_followed(source: Path, tmp_path: Path) -> None:
    put(source / "a.jpg")
    put(tmp_path / "elsewhere" / "secret.jpg")
    (source / "inside.jpg").symlink_to(source / "a.jpg")
    (source / "outside.jpg").symlink_to(tmp_path / "elsewhere" / "secret.jpg")
    (source / "folder").symlink_to(tmp_path / "elsewhere")
    (source / "circle").symlink_to(source)
    (source / "itself.jpg").symlink_to("itself.jpg")
    (source / "nowhere.jpg").symlink_to(source / "missing")
    os.mkfifo(source / "pipe.jpg")
    plan = plan_of(source)
    assert sorted(names(plan)) == ["a.jpg", "inside.jpg"]
    assert plan.left_out.total() == 6


def test_names_of_any_bytes_are_planned(source: Path) -> None:
    raw = b"caf\xe9 \n.jpg"
    put(source / "a.jpg").rename(source / os.fsdecode(raw))
    (file,) = names(plan_of(source))
    assert os.fsencode(file) == raw


def test_a_name_too_long_for_a_result_is_told() -> None:
    assert is_too_long("語" * 86)
    assert not is_too_long("a" * 255)


# What results are called.


def test_two_that_would_meet_follow_the_rule(source: Path) -> None:
    for name in ("IMG_1.JPG", "IMG_1.png", "dup.jpg", "dup.png"):
        put(source / name)
    shutil.copy(SAMPLES / "canon-s40.crw", source / "IMG_1.CRW")
    assert names(plan_of(source, Output(format="jpg"))) == {
        "IMG_1.CRW": ("IMG_1.jpg",),
        "IMG_1.JPG": ("IMG_1.JPG.jpg",),
        "IMG_1.png": ("IMG_1.png.jpg",),
        "dup.jpg": ("dup.jpg",),
        "dup.png": ("dup.png.jpg",),
    }
    assert names(plan_of(source)) == {
        "IMG_1.CRW": ("IMG_1.CRW.jpg",),
        "IMG_1.JPG": ("IMG_1.JPG",),
        "IMG_1.png": ("IMG_1.png",),
        "dup.jpg": ("dup.jpg",),
        "dup.png": ("dup.png",),
    }


def test_names_that_differ_in_case_alone_do_not_meet_on_a_disk_that_ignores_it(source: Path) -> None:
    put(source / "Same.jpg")
    put(source / "same.JPG")
    targets = [folded(target) for (target,) in names(plan_of(source)).values()]
    assert len(set(targets)) == len(targets) or len(list(source.iterdir())) == 1


@given(st.lists(st.sampled_from(["a.jpg", "A.jpg", "a.jpg.jpg", "b/a.jpg", "é.jpg", "e\u0301.jpg"]), max_size=12))
def test_no_name_is_given_twice(wanted: list[str]) -> None:
    given_names = Names()
    got = [folded(given_names.give(name, name + ".jpg")) for name in wanted]
    assert len(set(got)) == len(got)


def test_a_name_of_an_earlier_run_stays_with_its_photograph(source: Path) -> None:
    shutil.copy(SAMPLES / "canon-s40.crw", source / "IMG_1.CRW")
    assert names(plan_of(source)) == {"IMG_1.CRW": ("IMG_1.jpg",)}
    put(source / "IMG_1.jpg")
    owners = {"IMG_1.jpg": "IMG_1.CRW"}
    assert names(plan_of(source, owners=owners)) == {"IMG_1.CRW": ("IMG_1.jpg",), "IMG_1.jpg": ("IMG_1.jpg.jpg",)}


def test_several_outputs_have_folders_of_their_own(source: Path) -> None:
    put(source / "a.png")
    web = Output.parse("web:format=jpg,long-edge=2048,profile=srgb")
    assert names(plan_of(source, Output(), web)) == {"a.png": ("a.png", str(Path("web", "a.jpg")))}
    with pytest.raises(errors.UsageError, match="same folder"):
        plan_of(source, Output(), Output())


@pytest.mark.parametrize(
    "text", ["web:size=3", "web:quality=high", "web:quality=0", "../up:", "/abs:", ":format=jpg", "w:format=doc", ".x:"]
)
def test_an_output_that_cannot_be_is_refused_in_words(text: str, one_sentence: object) -> None:
    with pytest.raises(errors.UsageError) as caught:
        Output.parse(text)
    one_sentence(caught.value)  # type: ignore[operator]


# Sidecars and others.


def test_sidecars_go_along_under_their_photographs_new_name(source: Path) -> None:
    shutil.copy(SAMPLES / "canon-s40.crw", source / "raw.crw")
    put(source / "b.jpg")
    for name in ("raw.crw.xmp", "b.xmp", "lonely.xmp"):
        (source / name).write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    plan = plan_of(source)
    assert {job.found.file: job.sidecars for job in plan.jobs} == {
        "b.jpg": (("b.xmp", "b.xmp"),),
        "raw.crw": (("raw.crw.xmp", "raw.jpg.xmp"),),
    }
    assert plan.left_out == {"sidecars of no photograph": 1}


def test_no_two_sidecars_get_one_name(source: Path) -> None:
    for name in ("a.jpg", "a.JPG", "IMG_1.jpg", "IMG_1.CR2.png"):
        put(source / name)
    shutil.copy(SAMPLES / "canon-s40.crw", source / "IMG_1.CR2")
    for name in ("a.xmp", "a.jpg.xmp", "a.JPG.xmp", "IMG_1.xmp", "IMG_1.CR2.xmp"):
        (source / name).write_text("<x/>")
    written = [folded(name) for job in plan_of(source).jobs for name in job.written]
    assert len(written) == len(set(written)) == 5 + 8


def test_sidecars_of_photographs_that_are_passed_over_are_passed_over_with_them(source: Path) -> None:
    put(source / "a.jpg")
    put(source / "b.jpg")
    for name in ("b.xmp", "b.jpg.xmp", "nobody.xmp"):
        (source / name).write_text("<x/>")
    plan = plan_of(source, choice=Choice(exclude=("b.jpg",), copy_others=True))
    assert sorted(names(plan)) == ["a.jpg", "nobody.xmp"]
    assert plan.left_out == {"excluded": 1}


def test_others_are_copied_where_that_is_wanted(source: Path) -> None:
    put(source / "a.jpg")
    (source / "notes.txt").write_text("hello")
    plan = plan_of(source, choice=Choice(copy_others=True))
    assert [(job.found.file, job.look is None, job.targets) for job in plan.jobs] == [
        ("a.jpg", False, ("a.jpg",)),
        ("notes.txt", True, ("notes.txt",)),
    ]


# What is refused first.


@pytest.mark.parametrize("where", ["photos", "photos/out", ".", "photos/../photos"])
def test_results_in_the_source_or_around_it_are_refused(source: Path, where: str, one_sentence: object) -> None:
    put(source / "a.jpg")
    with pytest.raises(errors.UsageError) as caught:
        make_plan(source, source.parent / where, (Output(),), Choice())
    one_sentence(caught.value)  # type: ignore[operator]


def test_results_in_the_source_by_a_link_are_refused(source: Path, tmp_path: Path) -> None:
    put(source / "sub" / "a.jpg")
    (tmp_path / "link").symlink_to(source / "sub")
    with pytest.raises(errors.UsageError, match="inside the source"):
        make_plan(source, tmp_path / "link" / "out", (Output(),), Choice())


# Which of them.


def test_patterns_name_files_paths_and_folders_in_any_case(source: Path) -> None:
    for name in ("a.JPG", "b.png", "sub/c.jpg", "rejects/d.jpg"):
        put(source / name)
    chosen = Choice(include=("*.jpg",), exclude=("rejects",))
    plan = plan_of(source, choice=chosen)
    assert sorted(names(plan)) == ["a.JPG", str(Path("sub", "c.jpg"))]
    assert plan.left_out == {"not included": 1, "excluded": 1}
    assert matches("a/b/c.jpg", "a/b")
    assert matches("a/b/c.jpg", "a/*/c.jpg")
    assert not matches("a/b/c.jpg", "b.jpg")


def test_only_newer_files_are_taken(source: Path) -> None:
    for name, when in (("old.jpg", datetime(2020, 1, 1)), ("new.jpg", datetime(2024, 6, 2))):
        os.utime(put(source / name), (when.timestamp(),) * 2)
    plan = plan_of(source, choice=Choice(newer_than=datetime(2024, 6, 1)))
    assert list(names(plan)) == ["new.jpg"]


def rated(stars: int) -> bytes:
    return (
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        b"<rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='%d'/></rdf:RDF></x:xmpmeta>" % stars
    )


def test_only_photographs_of_enough_stars_are_taken(source: Path) -> None:
    for stars in (-1, 2, 4):
        photo = Photo(GREY.pixels, metadata=Metadata.build(xmp=rated(stars)))
        put(source / f"{stars}.jpg", photo)
    put(source / "sidecar.jpg")
    (source / "sidecar.xmp").write_bytes(rated(5))
    put(source / "unrated.jpg")
    plan = plan_of(source, choice=Choice(rating=3))
    assert sorted(names(plan)) == ["4.jpg", "sidecar.jpg"]
    assert plan.left_out["rated below 3"] == 3


def test_what_a_camera_wrote_is_read(shared: Path) -> None:
    shot = read_shot(shared / "data" / "camera-jpegs" / "exiv2__FurnaceCreekInn3.jpg", [])
    assert (shot.camera, shot.iso, shot.aperture, shot.exposure) == ("Canon PowerShot S5 IS", 80, 4, 1 / 1000)
    assert shot.taken == datetime(2008, 5, 8, 9, 54, 41)
    assert read_shot(SAMPLES / "canon-s40.crw", []).camera == "Canon PowerShot S40"


RULES = """
[[rule]]
folder = "weddings/*"
skip = true
[[rule]]
name = ["*.crw", "*.nef"]
preset = "winter"
[[rule]]
camera = "canon*"
iso = ">=800"
time = "18:00..06:00"
preset = "night"
amount = 0.5
[[rule]]
date = "2024-06-01..2024-08-31"
rating = "3..5"
preset = "summer"
"""


@pytest.mark.parametrize(
    ("file", "shot", "expected"),
    [
        ("weddings/anna/a.jpg", Shot(), None),
        ("x/a.CRW", Shot(), Look("winter")),
        ("a.jpg", Shot("Canon EOS", iso=800, taken=datetime(2024, 1, 1, 23, 30)), Look("night", 0.5)),
        ("a.jpg", Shot("Canon EOS", iso=800, taken=datetime(2024, 1, 1, 5)), Look("night", 0.5)),
        ("a.jpg", Shot("Canon EOS", iso=800, taken=datetime(2024, 1, 1, 12)), Look("retouch")),
        ("a.jpg", Shot("Canon EOS", taken=datetime(2024, 1, 1, 23)), Look("retouch")),
        ("a.jpg", Shot(rating=4, taken=datetime(2024, 8, 31, 23)), Look("summer")),
        ("a.jpg", Shot(rating=2, taken=datetime(2024, 8, 31, 23)), Look("retouch")),
    ],
)
def test_the_first_rule_that_fits_decides(tmp_path: Path, file: str, shot: Shot, expected: Look | None) -> None:
    from lptn_retouch.batch.rules import decide

    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    assert decide(read_rules(path), file, shot, Look()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rule = 1",
        "[[rule]]\ncolour = 'red'\nskip = true",
        "[[rule]]\nname = '*'",
        "[[rule]]\nname = 3\nskip = true",
        "[[rule]]\niso = 'high'\nskip = true",
        "[[rule]]\ntime = '25:00..26:00'\nskip = true",
        "[[rule]]\nname = '*'\namount = 3",
        "[[rule]]\nname = '*'\nskip = 'yes'",
        "[[rule",
        "other = 1\n[[rule]]\nname='*'\nskip = true",
    ],
)
def test_rules_that_cannot_be_are_refused_in_words(tmp_path: Path, text: str, one_sentence: object) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(errors.UsageError) as caught:
        read_rules(path)
    one_sentence(caught.value)  # type: ignore[operator]
