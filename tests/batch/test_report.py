"""The report of a batch: the file as it is written, and the page as a real browser shows it."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lptn_retouch.batch.photograph import thumbnails_of
from lptn_retouch.batch.report import Entry, Summary, write_report
from lptn_retouch.errors import UnwritablePhotoError, UsageError
from tests.places import SAMPLES

RED, BLUE = (200, 30, 30), (30, 30, 200)
SUMMARY = Summary(datetime(2025, 5, 17, 18, 42), 412.3, left_out=12)


def picture(colour: tuple[int, int, int], kind: str = "JPEG", size: tuple[int, int] = (320, 200)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


BEFORE, AFTER = picture(RED), picture(BLUE, "WEBP")
DONE = Entry("a.jpg", "done", "winter", 1.0, 1.0, (), "", "", (), 0.2, 24.2, BEFORE, AFTER)
FAILED = replace(DONE, outcome="failed", reason="the file ends early; copy it again.", after=None, megapixels=0)
HOSTILE = (
    "</script><script>owned=1</script>.jpg",
    "<img src=x onerror=owned=1>.jpg",
    "\"'`><b>&amp;<!--.jpg",
    "two\nlines\u2028\u202e.jpg",
    "not-utf8-\udce9.jpg",
    "$title ${script} \\u003c %3C.jpg",
    "javascript:owned=1",
)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(3840, 2160), (4000, 1), (1, 4000)])
def test_small_pictures_look_like_the_whole_photograph(size: tuple[int, int], tmp_path: Path):
    file = tmp_path / "large.png"
    with Image.open(SAMPLES / "lake-sherburne.jpg") as image:
        large = image.convert("RGB").resize(size)
    large.save(file)
    before, after = thumbnails_of(file, file)
    assert before is not None and before == after
    with Image.open(io.BytesIO(before)) as small:
        assert max(small.size) == 320
        seen, whole = np.asarray(small, float), np.asarray(large.resize(small.size, Image.Resampling.BOX), float)
    if min(size) > 1:
        assert 10 * np.log10(255**2 / np.square(seen - whole).mean()) > 28


class Page(HTMLParser):
    """What a strict reader finds in a page: its elements, and the text of its scripts."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.open = ""
        self.feed(file.read_text("ascii" if file.read_bytes().isascii() else "utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self.open = "between"

    def handle_data(self, data: str) -> None:
        self.texts[self.open] = self.texts.get(self.open, "") + data

    @property
    def index(self) -> list[dict[str, Any]]:
        return json.loads(self.texts["index"])


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def write(file: Path, *entries: Entry, title: str = "Holiday") -> Page:
    write_report(file, iter(entries), title=title, summary=SUMMARY)
    return Page(file)


# ---- The file


def test_hostile_names_presets_reasons_and_titles_are_text_and_add_no_element(report: Path):
    plain = [tag for tag, _ in write(report, *[DONE] * len(HOSTILE)).tags]
    for field in ("source", "preset", "reason"):
        page = write(report, *[replace(DONE, **{field: name}) for name in HOSTILE])
        assert [tag for tag, _ in page.tags] == plain, field
    page = write(report, *[replace(DONE, notices=(name,)) for name in HOSTILE], title=HOSTILE[0])
    assert [tag for tag, _ in page.tags] == plain
    assert page.texts["title"] == HOSTILE[0]
    assert {entry["notices"][0] for entry in page.index} >= {
        HOSTILE[2],
        "two\\nlines\\u2028\\u202e.jpg",
        "not-utf8-\\udce9.jpg",
    }


def test_the_page_needs_nothing_but_itself_and_its_policy_allows_nothing_else(report: Path):
    page = write(report, DONE, FAILED)
    assert not re.search(r"(?i)https?:|\burl\(|@import|\bfetch\(|XMLHttpRequest|\beval\(|innerHTML", report.read_text())
    loads = [value for _, attrs in page.tags for name, value in attrs.items() if name in ("src", "href", "srcset")]
    assert loads == ["data:,"]
    (policy,) = [attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for element in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.texts[element].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy


def test_failures_come_first_and_then_folders_and_names(report: Path):
    names = ["b/2.jpg", "b/1.jpg", "a/z.jpg", "z.jpg", "a/b/c.jpg"]
    page = write(report, *[replace(DONE, source=name) for name in names], replace(FAILED, source="z/last.jpg"))
    order = [f"{entry['folder']}/{entry['name']}" for entry in page.index]
    assert order == ["z/last.jpg", "/z.jpg", "a/z.jpg", "a/b/c.jpg", "b/1.jpg", "b/2.jpg"]


def test_every_photograph_keeps_its_own_two_pictures_byte_for_byte(report: Path):
    shades = [picture((10 * i, 0, 0), "PNG", (2, 2)) for i in range(20)]
    entries = [replace(DONE, source=f"{9 - i}.jpg", before=shades[i], after=shades[10 + i]) for i in range(10)]
    page = write(report, *entries, replace(FAILED, before=None), replace(FAILED, source="odd", before=b"not a picture"))
    assert "pictures-0" not in page.texts and "pictures-1" not in page.texts
    assert [entry["before"] for entry in page.index[:3]] == [False, False, True]
    for i, entry in enumerate(reversed(entries), start=2):
        lines = page.texts[f"pictures-{i}"].split("\n")[:2]
        assert all(line.startswith("data:image/png;base64,") for line in lines)
        assert [base64.b64decode(line.split(",")[1]) for line in lines] == [entry.before, entry.after]


def test_entries_are_read_one_by_one_and_their_pictures_never_held_together(report: Path):
    size, count = 200_000, 200

    def entries() -> Iterator[Entry]:
        for i in range(count):
            yield replace(DONE, source=f"{i}.jpg", before=b"\xff\xd8\xff" + os.urandom(size))

    tracemalloc.start()
    try:
        write_report(report, entries(), title="Many", summary=SUMMARY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.stat().st_size > size * count
    assert peak < 20 * size


def test_links_are_relative_and_hold_the_bytes_of_the_name(report: Path, tmp_path: Path):
    odd = os.fsdecode(b"a:b #?%25 \xe9\n.jpg")
    outputs = (str(tmp_path / "out" / odd), os.path.relpath(tmp_path / odd))
    page = write(report, replace(DONE, source_path=str(tmp_path.parent / "in" / odd), outputs=outputs))
    quoted = "a%3Ab%20%23%3F%2525%20%E9%0A.jpg"
    (entry,) = page.index
    assert entry["source"]["url"] == f"../in/{quoted}"
    assert [file["url"] for file in entry["outputs"]] == [f"out/{quoted}", quoted]
    assert entry["source"]["name"] == r"a:b #?%25 \udce9\n.jpg"
    assert write(report, DONE).index[0]["source"] is None


def test_the_summary_counts_what_became_of_the_photographs(report: Path):
    copied = replace(DONE, outcome="copied", preset="", after=None)
    write(report, DONE, replace(DONE, preset="summer"), FAILED, copied, replace(DONE, outcome="skipped"))
    said = re.sub(r"<[^>]+>", " ", report.read_text().split("</header>")[0].split("<header>")[1])
    assert " ".join(said.split()) == (
        "Holiday 17 May 2025, 18:42 · Preset winter, summer · lptn-retouch 0.1.0 "
        "Failed 1 Done 2 Skipped 1 Copied 1 Left out 12 Megapixels 48 Time 6 min 52 s"
    )


def test_a_report_never_takes_a_photographs_name_nor_a_folder_that_is_not_there(
    tmp_path: Path, one_sentence: Callable[[object], str]
):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(BEFORE)
    with pytest.raises(UsageError, match=r"ends in \.html") as error:
        write_report(photo, iter(()), title="", summary=SUMMARY)
    one_sentence(error.value)
    assert photo.read_bytes() == BEFORE
    with pytest.raises(UnwritablePhotoError, match="create") as missing:
        write_report(tmp_path / "no" / "report.html", iter(()), title="", summary=SUMMARY)
    one_sentence(missing.value)


def test_a_batch_that_breaks_off_leaves_the_report_as_it_was(report: Path):
    report.write_text("yesterday's")

    def entries() -> Iterator[Entry]:
        yield DONE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(report, entries(), title="", summary=SUMMARY)
    assert [path.name for path in report.parent.iterdir()] == ["report.html"]
    assert report.read_text() == "yesterday's"


# ---- The page, in a browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("Chromium and its driver are not here (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    words = "headless=new no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    words += f" disable-component-update disable-sync user-data-dir={tmp_path_factory.mktemp('chromium')}"
    for word in [*words.split(), "window-size=1200,900"]:
        options.add_argument(f"--{word}")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def show(chromium: Any, report: Path) -> Iterator[Callable[..., Any]]:
    """Write a report and open it; at the end, the browser must have had nothing to complain of and asked nobody."""

    def opened(*entries: Entry) -> Any:
        write(report, *entries)
        chromium.get(report.as_uri())
        return chromium

    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    yield opened
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert [line["message"] for line in chromium.get_log("browser")] == []
    events = [json.loads(line["message"])["message"] for line in chromium.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked and not [url for url in asked if not url.startswith(("file:", "data:"))]


def until(browser: Any, script: str) -> Any:
    """What a script in the page says, once it says something."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 20, 0.02).until(lambda driver: driver.execute_script(f"return {script}"))


def all_of(browser: Any, selector: str) -> list[Any]:
    return browser.find_elements("css selector", selector)


def frames(browser: Any) -> list[Any]:
    """The pictures, all of them there."""
    until(browser, "[...document.images].every((image) => image.complete && image.naturalWidth)")
    return all_of(browser, ".frame")


def names(browser: Any) -> list[str]:
    return [element.text for element in all_of(browser, ".card h2")]


def before_part(frame: Any) -> float:
    """How much of a picture's middle row shows the red photograph, and no more than a line's width shows neither."""
    row = np.asarray(Image.open(io.BytesIO(frame.screenshot_as_png)).convert("RGB"))[20].astype(int)
    red, blue = (np.abs(row - colour).max(1) < 40 for colour in (RED, BLUE))
    assert (red | blue).mean() > 0.96
    assert not red[np.argmax(blue) :].any() or not blue.any()
    return float(red.mean())


def press(browser: Any, *keys: str) -> None:
    browser.switch_to.active_element.send_keys(*keys)


@pytest.mark.slow
def test_the_slider_moves_by_keys_and_shows_more_or_less_of_the_photograph_before(show: Callable[..., Any]):
    from selenium.webdriver.common.keys import Keys

    browser = show(DONE)
    (frame,) = frames(browser)
    assert before_part(frame) == pytest.approx(0.5, abs=0.03)
    browser.execute_script("arguments[0].focus()", frame)
    for keys, part in ((Keys.ARROW_RIGHT * 4, 0.7), (Keys.ARROW_LEFT * 10, 0.2), (Keys.HOME, 0), (Keys.END, 1)):
        press(browser, keys)
        assert before_part(frame) == pytest.approx(part, abs=0.03)
        assert frame.get_attribute("aria-valuenow") == str(round(100 * part))
    assert frame.aria_role == "slider"
    assert frame.accessible_name == "Before and after: a.jpg"
    assert frame.get_attribute("aria-valuetext") == "100 % before, 0 % after"


@pytest.mark.real
def test_the_slider_follows_the_mouse_and_a_drag_opens_nothing(show: Callable[..., Any]):
    from selenium.webdriver import ActionChains

    browser = show(DONE)
    (frame,) = frames(browser)
    quarter = frame.size["width"] // 4
    ActionChains(browser, duration=50).move_to_element(frame).click_and_hold().move_by_offset(quarter, 5).perform()
    ActionChains(browser).release().perform()
    assert before_part(frame) == pytest.approx(0.75, abs=0.03)
    ActionChains(browser, duration=50).move_by_offset(-quarter, 0).perform()  # released: it stays
    assert before_part(frame) == pytest.approx(0.75, abs=0.03)
    assert not all_of(browser, "dialog[open]")
    frame.click()
    assert all_of(browser, "dialog[open]")


@pytest.mark.real
def test_a_finger_moves_the_slider_sideways(show: Callable[..., Any]):
    browser = show(DONE)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    (frame,) = frames(browser)
    box = frame.rect
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    places = [x, x - 20, x - box["width"] / 4]
    for kind, points in [("touchStart", places[:1]), *[("touchMove", [p]) for p in places[1:]], ("touchEnd", [])]:
        touches = [{"x": point, "y": y} for point in points]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    assert before_part(frame) == pytest.approx(0.25, abs=0.03)
    assert not all_of(browser, "dialog[open]")


@pytest.mark.real
def test_failures_stand_first_with_their_reasons_and_notes_stand_beside_their_photographs(show: Callable[..., Any]):
    noted = replace(DONE, source="x/b.jpg", notices=("The maker note is carried as it was.", "No profile."))
    browser = show(DONE, noted, replace(FAILED, source="z.jpg"), replace(FAILED, source="y.jpg", before=None))
    assert names(browser) == ["y.jpg", "z.jpg", "a.jpg", "b.jpg"]
    said = [card.text for card in all_of(browser, ".card")]
    assert all(FAILED.reason in text for text in said[:2])
    assert "The maker note is carried as it was.\nNo profile." in said[3]
    assert "winter · 24.2 MP · 0.20 s" in said[2]
    assert len(frames(browser)) == 3  # one that failed before it was opened has none


@pytest.mark.real
def test_filters_by_folder_outcome_preset_and_name_work_alone_and_together(show: Callable[..., Any]):
    from selenium.webdriver.support.ui import Select

    browser = show(
        replace(DONE, source="2024/iceland/Geysir.jpg"),
        replace(DONE, source="2024/oslo.jpg", preset="summer", notices=("No profile.",)),
        replace(DONE, source="2024-b/oslo.jpg", outcome="copied", preset="", after=None),
        replace(FAILED, source="2023/geysir.jpg"),
    )

    def pick(**filters: str) -> list[str]:
        browser.execute_script("document.forms[0].reset()")
        until(browser, "document.querySelectorAll('.card').length === 4")
        for name, value in filters.items():
            field = browser.find_element("id", name)
            field.send_keys(value) if name == "name" else Select(field).select_by_value(value)
        folders = [element.text for element in all_of(browser, ".folder")]
        return [f"{folder}/{name}" for folder, name in zip(folders, names(browser), strict=True)]

    assert pick(folder="2024") == ["2024/oslo.jpg", "2024/iceland/Geysir.jpg"]
    assert pick(outcome="failed") == ["2023/geysir.jpg"]
    assert pick(outcome="copied") == ["2024-b/oslo.jpg"]
    assert pick(outcome="with notes") == ["2024/oslo.jpg"]
    assert pick(preset="summer") == ["2024/oslo.jpg"]
    assert pick(name="GEYSIR") == ["2023/geysir.jpg", "2024/iceland/Geysir.jpg"]
    assert pick(name="geysir", outcome="done") == ["2024/iceland/Geysir.jpg"]
    assert browser.find_element("id", "count").text == "1 of 4 photographs"
    assert pick(name="oslo", preset="summer", folder="2023") == []
    browser.find_element("css selector", "#nothing button").click()
    assert until(browser, "document.querySelectorAll('.card').length") == 4
    assert browser.find_element("id", "count").text == "4 photographs"
    options = [option.text for option in Select(browser.find_element("id", "folder")).options]
    assert options == ["All", "2023 (1)", "2024 (2)", "2024-b (1)", "2024/iceland (1)"]


@pytest.mark.real
def test_enter_opens_the_photograph_itself_and_escape_returns_to_its_card(show: Callable[..., Any], tmp_path: Path):
    from selenium.webdriver.common.keys import Keys

    odd = tmp_path / os.fsdecode(b"a:b #?%25 \xe9.jpg")
    shutil.copy(SAMPLES / "lake-sherburne.jpg", odd)
    result = tmp_path / "<result>.png"
    result.write_bytes(picture(BLUE, "PNG", (1200, 800)))
    browser = show(
        replace(DONE, source_path=str(odd), outputs=(str(tmp_path / "x.tif"), str(result))),
        replace(DONE, source="gone.jpg", source_path=str(tmp_path / "raw.cr2"), outputs=(str(result),)),
    )
    frames(browser)
    browser.execute_script("document.querySelector('.frame').focus()")
    press(browser, Keys.ENTER)
    with Image.open(odd) as whole:
        assert until(browser, f"document.querySelector('dialog img.before').naturalWidth === {whole.width}")
    assert until(browser, "document.querySelector('dialog img.after').naturalWidth === 1200")
    press(browser, Keys.ARROW_RIGHT)  # the line, not the photograph
    assert browser.switch_to.active_element.get_attribute("aria-valuenow") == "55"
    press(browser, Keys.PAGE_DOWN)
    assert browser.find_element("id", "large-name").text == "gone.jpg"
    assert until(browser, "document.querySelector('dialog img.after').naturalWidth === 1200")
    assert browser.execute_script("return document.querySelector('dialog img.before').naturalWidth") == 320
    assert "Before is a small picture enlarged" in browser.find_element("id", "large-words").text
    press(browser, Keys.PAGE_DOWN)  # there is none
    press(browser, Keys.ESCAPE)
    assert not all_of(browser, "dialog[open]")
    named = "document.activeElement.getAttribute('aria-label')"  # which is moved when the browser tells of the closing
    assert until(browser, f"{named} === 'Before and after: gone.jpg'")


@pytest.mark.real
def test_the_large_view_keeps_the_small_pictures_where_the_files_are_gone(show: Callable[..., Any], tmp_path: Path):
    browser = show(replace(DONE, source_path=str(tmp_path / "gone.jpg"), outputs=(str(tmp_path / "lost.jpg"),)))
    frames(browser)[0].click()
    until(browser, "document.querySelector('dialog img.after').naturalWidth === 320")
    assert before_part(all_of(browser, "dialog .frame")[0]) == pytest.approx(0.5, abs=0.03)
    browser.get_log("browser")  # that the two files are not there is all it may have said


@pytest.mark.real
def test_the_keyboard_reaches_everything_in_reading_order_and_one_sees_where_it_is(
    show: Callable[..., Any], tmp_path: Path
):
    from selenium.webdriver.common.keys import Keys

    browser = show(replace(DONE, source="x/a.jpg", source_path=str(tmp_path / "a"), outputs=(str(tmp_path / "b"),)))
    frames(browser)
    reached = []
    for _ in range(8):
        press(browser, Keys.TAB)
        element = browser.switch_to.active_element
        reached.append(element.accessible_name)
        assert element.value_of_css_property("outline-style") != "none", reached
    assert reached == [
        *("Name", "Folder", "Outcome", "Preset"),
        *("Before and after: a.jpg", "Enlarge a.jpg", "Original: a", "Result: b"),
    ]


@pytest.mark.real
def test_hostile_names_are_shown_and_run_nothing(show: Callable[..., Any], tmp_path: Path):
    entries = [replace(DONE, source=name, preset=name, notices=(name,)) for name in HOSTILE]
    browser = show(*[replace(e, source_path=str(tmp_path / e.source), reason=e.source) for e in entries])
    frames(browser)
    assert browser.execute_script("return typeof owned") == "undefined"
    shown_names = set(names(browser))
    assert {HOSTILE[1], HOSTILE[2], HOSTILE[5], HOSTILE[6], r"not-utf8-\udce9.jpg"} <= shown_names
    assert all(link.get_attribute("href").startswith("file:") for link in all_of(browser, ".card a"))


@pytest.mark.real
def test_cards_and_pictures_are_made_only_as_one_comes_to_them(show: Callable[..., Any]):
    browser = show(*[replace(DONE, source=f"{i:04}.jpg") for i in range(500)])
    drawn = "[...document.images].filter((image) => image.naturalWidth).length"
    assert 0 < until(browser, drawn) <= 2 * len(all_of(browser, ".card")) < 500
    assert browser.find_element("id", "count").text == "500 photographs"
    last = "(scrollTo(0, document.body.scrollHeight), document.querySelectorAll('.card').length === 500)"
    assert until(browser, last)
    assert until(browser, "document.querySelector('.card:last-child img').naturalWidth")
    assert until(browser, "!document.querySelector('.card img').hasAttribute('src')")
    assert browser.execute_script(f"return {drawn}") < 200


@pytest.mark.real
@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_one_column_and_nothing_sticks_out_sideways(show: Callable[..., Any], width: int):
    long = "x" * 200 + ".jpg"
    browser = show(
        *[replace(DONE, source=f"{'f' * 90}/{'g' * 90}/{i}{long}", preset="p" * 64, notices=(long,)) for i in range(3)],
        replace(FAILED, source=long, reason=long),
    )
    phone = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.refresh()
    wide = "return [document.documentElement.scrollWidth, innerWidth]"
    assert browser.execute_script(wide) == [width, width]
    assert len({card.rect["x"] for card in all_of(browser, ".card")}) == 1
    until(browser, "document.querySelector('.card.done img').naturalWidth")
    browser.execute_script("document.querySelector('.card.done .frame').click()")
    sizes = "const d = document.querySelector('dialog'); return [d.scrollWidth, d.clientWidth, innerWidth]"
    assert browser.execute_script(sizes) == [width] * 3


@pytest.mark.real
def test_the_page_is_dark_where_the_system_is(show: Callable[..., Any]):
    browser = show(DONE)
    corners = {}
    for theme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        with Image.open(io.BytesIO(browser.get_screenshot_as_png())) as seen:
            corners[theme] = seen.convert("RGB").getpixel((2, 2))
    assert min(corners["light"]) > 220 and max(corners["dark"]) < 40
    assert all(len(set(corner)) == 1 for corner in corners.values())  # a grey without a tint
