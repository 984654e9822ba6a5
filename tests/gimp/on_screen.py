"""The checks on a screen. Runs inside GIMP with a display, plays the user with xdotool and reads the pixels.

Writes one JSON object to $WORK/screen.json and screenshots to $WORK/shots; test_gimp_screen.py tells the results.
"""

import json
import os
import signal
import subprocess
import time
import traceback
from pathlib import Path

from gi.repository import Gegl, Gimp, Gio

WORK = Path(os.environ["WORK"])
PLUG_IN = Path(os.environ["GIMP3_DIRECTORY"], "plug-ins", "lptn-retouch")
FAKE = ["/usr/bin/env", f"FAKE_LOG={WORK}/requests", "/usr/bin/python3", str(WORK / "fake_engine.py")]
PRESETS = ("retouch", "winter", "clipping", "slow", "hang", "die", "memory")
SIZE = (600, 400)
TITLE = "^LPTN Retouch$"
CHECKS = []
START = time.time()


# ---- the user's hands and eyes ------------------------------------------------------------------------------


def xdotool(*words):
    return subprocess.run(("xdotool", *words), capture_output=True, text=True).stdout.strip()


def keys(*names):
    xdotool("key", "--delay", "30", *names)
    time.sleep(0.2)


def shot(name):
    subprocess.run(("import", "-window", "root", str(WORK / "shots" / f"{name}.png")))


def until(what, seconds=20, step=0.05):
    """Wait for it to be true: its value."""
    end = time.time() + seconds
    while time.time() < end:
        value = what()
        if value:
            return value
        time.sleep(step)
    raise AssertionError(f"not within {seconds} s: {what.__name__}")


def windows(name):
    return xdotool("search", "--onlyvisible", "--name", name).split()


def window(name, seconds=20):
    def a_window():
        return windows(name)

    a_window.__name__ = f"a window {name}"
    return until(a_window, seconds)[0]


def gone(name, seconds=20):
    def no_window():
        return not windows(name)

    no_window.__name__ = f"no window {name}"
    until(no_window, seconds)


def area(win, x, y, width, height):
    """The colours of a part of a window."""
    command = ("import", "-window", win, "-crop", f"{width}x{height}+{x}+{y}", "+repage", "-depth", "8", "rgb:-")
    return subprocess.run(command, capture_output=True).stdout


def processes(word):
    """Numbers of the running processes whose command line has that word, as far as they are of this profile."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            # a zombie has no command line
        except OSError:
            continue
        if any(each.endswith(word.encode()) and str(WORK).encode() in each for each in words):
            found.append(int(folder.name))
    return found


def requests():
    path = WORK / "requests"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def previews():
    return [each for each in requests() if each["do"] == "retouch" and each.get("picture") in ("fit", "full")]


# ---- GIMP ---------------------------------------------------------------------------------------------------


def use_engine(words=FAKE):
    (WORK / "requests").unlink(missing_ok=True)
    (PLUG_IN / "engine.json").write_text(json.dumps({"command": words, "protocol": 1}))


def open_image():
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(WORK / "images" / "photo.jpg")))
    image.scale(*SIZE)
    image.clean_all()
    image.undo_enable()  # a JPEG that a script has loaded has none
    return image, Gimp.Display.new(image)


IMAGE, DISPLAY = open_image()
LAYER = IMAGE.get_layers()[0]


def pixels(layer=LAYER):
    buffer = layer.get_buffer()
    buffer.flush()
    return bytes(buffer.get(Gegl.Rectangle.new(0, 0, *SIZE), 1.0, "R'G'B' u8", Gegl.AbyssPolicy.NONE))


ORIGINAL = pixels()
INVERTED = bytes(255 - value for value in ORIGINAL)


def inverted():
    return pixels() == INVERTED


def original():
    return pixels() == ORIGINAL


def activate(win):
    xdotool("windowactivate", "--sync", win)
    time.sleep(0.1)


def act(words):
    """Find an action by its name, as GIMP's search does, and do it."""
    activate(MAIN)
    keys("slash")
    time.sleep(0.6)
    xdotool("type", "--delay", "20", words)
    time.sleep(0.8)


def dialog(preset=None):
    """Open the dialog by the action search, wait until its presets and first preview are there."""
    act("LPTN Retouch")
    keys("Return")
    win = window(TITLE)

    def a_preview():
        return previews()

    until(a_preview)
    activate(win)
    time.sleep(0.4)
    if preset:
        choose(preset)
    return win


def choose(preset):
    keys("alt+p")
    keys("Home", *["Down"] * PRESETS.index(preset))

    def the_preset_s_preview():
        return previews()[-1]["preset"] == preset

    until(the_preset_s_preview)


def agree():
    keys("alt+o")
    gone(TITLE)


def press_cancel():
    """The Cancel button at the right end of the status bar."""
    geometry = dict(line.split("=") for line in xdotool("getwindowgeometry", "--shell", MAIN).splitlines())
    x, y = int(geometry["WIDTH"]) - 60, int(geometry["HEIGHT"]) - 20
    xdotool("mousemove", "--window", MAIN, str(x), str(y), "sleep", "0.2", "click", "1")


def nothing_runs():
    return not processes("fake_engine.py") and not processes("lptn-retouch.py")


def check(function):
    CHECKS.append(function)
    return function


# ---- the checks, in this order: each leaves the picture as it was ---------------------------------------------


@check
def the_menu_entry_is_in_filters_enhance():
    activate(MAIN)
    keys("alt+r")
    time.sleep(0.5)
    keys("h")
    time.sleep(0.7)
    shot("01-menu")
    keys("Escape", "Escape", "Escape")


@check
def the_action_search_finds_it():
    act("LPTN Retouch")
    shot("02-search")
    keys("Escape")


@check
def the_dialog_shows_presets_with_thumbnails_and_a_preview():
    win = dialog()

    def all_thumbnails():
        return len([each for each in requests() if each.get("picture") == "thumbnail" and "preset" in each]) >= 2

    until(all_thumbnails)
    time.sleep(0.5)
    shot("03-dialog")
    assert previews()[0]["amount"] == 1
    keep = next(each for each in requests() if each["do"] == "keep" and each["picture"] == "fit")
    assert (keep["width"], keep["height"]) == SIZE, keep
    keys("Escape")
    gone(TITLE)
    until(nothing_runs)
    assert original()
    del win


@check
def a_slider_changes_the_preview_after_it_stands_still():
    win = dialog()
    before, count = area(win, 360, 60, 700, 400), len(previews())
    keys("alt+a")
    keys("ctrl+a")
    xdotool("type", "--delay", "15", "0.25")
    keys("Tab")

    def a_new_preview():
        return previews()[-1]["amount"] == 0.25

    until(a_new_preview)
    time.sleep(0.4)
    after = area(win, 360, 60, 700, 400)
    shot("04-slider")
    assert sum(a != b for a, b in zip(before, after, strict=True)) > 100_000
    assert len(previews()) - count <= 3, "not every step of a slider is worth a preview"
    keys("Escape")
    gone(TITLE)


@check
def the_line_between_before_and_after_follows_the_mouse():
    win = dialog()
    before = area(win, 360, 60, 700, 400)
    xdotool("mousemove", "--window", win, "480", "200", "click", "1")
    time.sleep(0.4)
    shot("05-line")
    assert area(win, 360, 60, 700, 400) != before
    keys("Escape")
    gone(TITLE)


@check
def at_100_percent_the_whole_picture_is_retouched_at_its_size():
    win = dialog()
    keys("alt+1")

    def a_large_preview():
        return previews()[-1]["picture"] == "full"

    until(a_large_preview)
    time.sleep(0.4)
    shot("06-full")
    keep = [each for each in requests() if each["do"] == "keep" and each["picture"] == "full"]
    assert [(each["width"], each["height"]) for each in keep] == [SIZE]
    keys("alt+f")
    time.sleep(0.3)
    keys("Escape")
    gone(TITLE)
    del win


@check
def ok_retouches_undo_and_redo_follow_in_one_step():
    dialog()
    agree()
    until(inverted)
    shot("07-result")
    until(nothing_runs)
    activate(MAIN)
    keys("ctrl+z")
    until(original)
    keys("ctrl+y")
    until(inverted)
    keys("ctrl+z")
    until(original)


@check
def ctrl_f_repeats_it_without_a_dialog():
    activate(MAIN)
    keys("ctrl+f")
    until(inverted)
    assert not windows(TITLE)
    until(nothing_runs)
    keys("ctrl+z")
    until(original)


@check
def escape_in_the_dialog_changes_nothing():
    dialog()
    keys("Escape")
    gone(TITLE)
    until(nothing_runs)
    assert original()


@check
def the_result_as_a_new_layer_is_one_undo_step_and_last_values_are_kept():
    dialog("winter")
    keys("alt+n")
    agree()

    def a_new_layer():
        return [layer.get_name() for layer in IMAGE.get_layers()] == ["LPTN winter", LAYER.get_name()]

    until(a_new_layer)
    time.sleep(0.5)
    assert original() and pixels(IMAGE.get_layers()[0]) == INVERTED
    shot("08-new-layer")
    activate(MAIN)
    keys("ctrl+z")

    def one_layer():
        return len(IMAGE.get_layers()) == 1

    until(one_layer)
    IMAGE.set_selected_layers([LAYER])
    use_engine()
    dialog()
    assert previews()[0]["preset"] == "winter", "the last values"
    keys("alt+n")
    choose("retouch")
    agree()
    until(inverted)
    activate(MAIN)
    keys("ctrl+z")
    until(original)


@check
def what_the_engine_remarks_is_shown():
    bars = []
    for preset in ("retouch", "clipping"):  # the first says nothing
        use_engine()
        dialog(preset)
        agree()
        until(inverted)
        until(nothing_runs)
        time.sleep(1)
        shot(f"09-{preset}")
        bars.append(area(MAIN, 260, 836, 500, 24))
        activate(MAIN)
        keys("ctrl+z")
        until(original)
    assert bars[0] != bars[1], "GIMP tells it in its status bar"


@check
def cancel_ends_plug_in_and_engine_and_changes_nothing():
    dialog("slow")
    agree()

    def in_work():
        return requests()[-1]["do"] == "retouch" and "picture" not in requests()[-1]

    until(in_work)
    time.sleep(1)
    shot("09-progress")
    press_cancel()
    until(nothing_runs, 5)
    time.sleep(0.5)
    shot("10-cancelled")
    assert original()
    assert not windows("GIMP Message")


@check
def a_killed_engine_is_told_in_a_sentence():
    dialog("hang")
    agree()

    def in_work():
        return requests()[-1]["do"] == "retouch" and "picture" not in requests()[-1] and processes("fake_engine.py")

    for number in until(in_work):
        os.kill(number, signal.SIGKILL)
    win = window("GIMP Message|GIMP Error|Message")
    time.sleep(0.5)
    shot("11-killed")
    activate(win)
    keys("Escape")
    until(nothing_runs)
    assert original()


@check
def a_crash_of_the_plug_in_ends_the_engine():
    dialog("hang")
    agree()

    def in_work():
        return requests()[-1]["do"] == "retouch" and "picture" not in requests()[-1] and processes("lptn-retouch.py")

    for number in until(in_work):
        os.kill(number, signal.SIGSEGV)
    win = window("GIMP Message|GIMP Error|Message")
    time.sleep(0.5)
    shot("12-crash")
    until(nothing_runs, 5)
    activate(win)
    keys("Escape")
    assert original()


@check
def a_preview_that_cannot_be_made_says_so_and_the_next_one_can():
    win = dialog("memory")
    time.sleep(0.6)
    shot("13-preview-error")
    choose("die")
    time.sleep(1)
    shot("14-preview-killed")
    choose("retouch")
    time.sleep(0.6)
    shot("15-preview-again")
    agree()
    until(inverted)
    activate(MAIN)
    keys("ctrl+z")
    until(original)
    del win


@check
def without_an_engine_the_dialog_says_what_to_type():
    use_engine(["/opt/gone/python", "-m", "lptn_retouch", "serve"])
    act("LPTN Retouch")
    keys("Return")
    win = window(TITLE)
    time.sleep(1)
    shot("16-no-engine")
    activate(win)
    keys("alt+o")
    time.sleep(0.5)
    assert windows(TITLE), "OK does nothing without an engine"
    keys("Escape")
    gone(TITLE)


def main():
    results = {}
    xdotool("windowsize", "--sync", MAIN, "1380", "860")
    xdotool("windowmove", MAIN, "5", "5")
    activate(MAIN)
    time.sleep(0.8)
    for number, function in enumerate(CHECKS):
        use_engine()
        start, why = time.time(), None
        try:
            function()
        except Exception:
            why = traceback.format_exc(limit=3)
            shot(f"failed-{number}-{function.__name__}")
            for left in processes("fake_engine.py") + processes("lptn-retouch.py"):
                os.kill(left, signal.SIGKILL)
            time.sleep(1)
            for name in (TITLE, "GIMP Message"):
                for win in windows(name):
                    activate(win)
                    keys("Escape")
            activate(MAIN)
            keys("Escape")
            while not original() and time.time() - start < 30:
                keys("ctrl+z")
                time.sleep(0.3)
        results[function.__name__] = {"why": why, "seconds": round(time.time() - start, 2)}
        (WORK / "screen.json").write_text(json.dumps({"version": Gimp.version(), "checks": results}, indent=1))


MAIN = window("color 8-bit", 60)
main()
DISPLAY.delete()
