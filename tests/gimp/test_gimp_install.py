"""The plug-in's way into GIMP and out: the real command, made-up homes, and a GIMP that is a shell script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lptn_retouch import __version__
from lptn_retouch.errors import InstallError
from lptn_retouch.gimp import install as installing
from lptn_retouch.gimp.archive import write_archive
from lptn_retouch.gimp.ask import ask_engine
from lptn_retouch.gimp.doctor import hidden
from lptn_retouch.gimp.profiles import Profile
from tests.places import ROOT

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.name == "nt", reason="homes and programs are made up as on POSIX"),
]

Sentence = Callable[[object], str]
OURS = {"lptn-retouch.py", "pixels.py", "engine.json"}
SANDBOXED = any(Path(sys.executable).resolve().is_relative_to(folder) for folder in ("/usr", "/bin", "/tmp"))

GIMP = """#!/bin/sh
if [ "$1" = --version ]; then echo "GNU Image Manipulation Program version VERSION"; exit; fi
folder=${GIMP3_DIRECTORY:-$HOME/.config/GIMP/3.0}
echo "$folder $PATH $PYTHONPATH $VIRTUAL_ENV $*" >> "$HOME/gimp.log"
mkdir -p "$folder/plug-ins" "$folder/brushes"
touch "$folder/gimprc"
echo "some noise"
[ -x "$folder/plug-ins/lptn-retouch/lptn-retouch.py" ] && echo "lptn-retouch: True" || echo "lptn-retouch: False"
"""


class Home:
    """A user's home folder, with the plug-in that there is to install, and what is on the user's PATH."""

    def __init__(self, path: Path) -> None:
        self.path, self.bin, self.plugin = path / "home", path / "bin", path / "plugin"
        for folder in (self.path, self.bin, self.plugin):
            folder.mkdir()
        self.profiles = self.path / ".config" / "GIMP"
        (self.plugin / "lptn-retouch.py").write_text("#!/usr/bin/env python3\n")
        (self.plugin / "pixels.py").write_text("SIZE = 3\n")
        self.environment = {"HOME": str(self.path), "PATH": f"{self.bin}:/usr/bin:/bin"}

    def profile(self, version: str = "3.0") -> Profile:
        (self.profiles / version / "plug-ins").mkdir(parents=True, exist_ok=True)
        (self.profiles / version / "gimprc").touch()
        return Profile(self.profiles / version)

    def gimp(self, script: str = GIMP, name: str = "gimp-console", version: str = "3.0.4") -> Path:
        program = self.bin / name
        program.write_text(script.replace("VERSION", version))
        program.chmod(0o755)
        return program

    def run(self, *words: object, version: str = __version__) -> tuple[int, str, str]:
        script = (
            "import sys, pathlib, lptn_retouch.gimp.install as i, lptn_retouch.gimp.doctor as d\n"
            f"i.PLACES = (pathlib.Path({str(self.plugin)!r}),)\n"
            f"i.__version__ = d.__version__ = {version!r}\n"
            "from lptn_retouch.cli import command\n"
            "command()"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, "gimp", *map(str, words)],
            env={**self.environment, "PYTHONPATH": str(ROOT), "VIRTUAL_ENV": "/somewhere"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    def works(self, *words: object) -> str:
        status, out, err = self.run(*words)
        assert (status, err) == (0, ""), err
        return out

    def fails(self, one_sentence: Sentence, *words: object, version: str = __version__) -> tuple[str, str]:
        """Status 1, and a sentence a line."""
        status, out, err = self.run(*words, version=version)
        assert status == 1
        for line in err.splitlines():
            assert line.startswith("lptn-retouch: ")
            one_sentence(line)
        assert err
        return out, err

    def tree(self) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(self.path)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.path.rglob("*"))
            if path.name != "gimp.log"
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def check_installed(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == OURS
    assert (folder / "lptn-retouch.py").read_text() == "#!/usr/bin/env python3\n"
    assert os.access(folder / "lptn-retouch.py", os.X_OK)
    assert folder.stat().st_mode & 0o777 == 0o755
    said = json.loads((folder / "engine.json").read_text())
    assert said["command"] == [sys.executable, "-P", "-m", "lptn_retouch", "serve"]
    assert (said["version"], said["protocol"]) == (__version__, 1)
    assert {path.name for path in folder.parent.iterdir()} >= {"lptn-retouch"}
    assert not list(folder.parent.glob(".lptn*"))


# Where profiles are.

LAYOUTS = {
    "linux": (".config/GIMP/3.0", {}),
    "linux-3.2": (".config/GIMP/3.2", {}),
    "linux-elsewhere": ("settings/GIMP/3.0", {"XDG_CONFIG_HOME": "HOME/settings"}),
    "flatpak": (".var/app/org.gimp.GIMP/config/GIMP/3.0", {}),
    "snap": ("snap/gimp/current/.config/GIMP/3.0", {}),
    "windows": ("AppData/Roaming/GIMP/3.0", {"APPDATA": "HOME/AppData/Roaming"}),
    "macos": ("Library/Application Support/GIMP/3.0", {}),
    "named": ("my gimp", {"GIMP3_DIRECTORY": "HOME/my gimp"}),
    "named-from-home": ("my gimp", {"GIMP3_DIRECTORY": "my gimp"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_served(home: Home, layout: str, one_sentence: Sentence) -> None:
    place, environment = LAYOUTS[layout]
    home.environment |= {key: value.replace("HOME", str(home.path)) for key, value in environment.items()}
    profile = home.path / place
    profile.mkdir(parents=True)
    (profile / "gimprc").touch()
    before = home.tree()
    if layout in ("flatpak", "snap") and SANDBOXED:
        out, err = home.fails(one_sentence, "install")
        assert layout.title() in err and "home folder" in err
        assert layout.title() in home.fails(one_sentence, "doctor")[1]
    else:
        out = home.works("install")
        assert "Filters > Enhance" in out
        assert "sound" in home.works("doctor")
    assert f"installed: {profile / 'plug-ins' / 'lptn-retouch'}\n" in out
    check_installed(profile / "plug-ins" / "lptn-retouch")
    assert str(profile) in home.works("uninstall")
    assert home.tree().keys() - {f"{place}/plug-ins"} == before.keys()


def test_every_profile_is_served_and_nothing_that_is_none(home: Home) -> None:
    profiles = [home.profile(version) for version in ("3.0", "3.2", "3.10")]
    for other in ("2.10", "3.0.bak", "3", "themes"):
        home.profile(other)
    (home.profiles / "3.4").write_text("a file")
    (home.path / "link").symlink_to(profiles[0].path)
    home.environment["GIMP3_DIRECTORY"] = str(home.path / "link")  # is one that was found already
    assert home.works("install").count("installed: ") == 3
    assert home.works("doctor").count("sound: ") == 3
    assert len(list(home.profiles.glob("*/plug-ins/lptn-retouch"))) == 3
    for profile in profiles:
        check_installed(profile.plug_in)


def test_what_engine_json_names_is_the_engine(home: Home) -> None:
    folder = home.profile().plug_in
    home.works("install")
    answer = ask_engine(json.loads((folder / "engine.json").read_text())["command"])
    assert answer.version == __version__ and "winter" in answer.presets


# A GIMP that comes later.


def test_without_any_gimp_a_profile_is_made_that_every_later_one_takes(home: Home) -> None:
    home.works("install")
    check_installed(home.profiles / "3.0" / "plug-ins" / "lptn-retouch")
    assert (home.profiles / "3.0" / "brushes").is_dir(), "GIMP makes it only where it makes the profile"
    assert "sound" in home.works("doctor")
    home.works("uninstall")
    assert set(home.tree()) == {".config"}


def test_a_profile_of_gimp_2_is_left_for_gimp_3_to_take_over(home: Home, one_sentence: Sentence) -> None:
    home.profile("2.10")
    before = home.tree()
    assert "start GIMP 3 once" in home.fails(one_sentence, "install")[1]
    assert home.tree() == before
    assert "no profile" in home.fails(one_sentence, "doctor")[1]


def test_a_gimp_that_has_never_been_started_makes_its_own_profile_first(home: Home) -> None:
    home.profile("2.10")
    home.gimp()
    assert "GIMP 3.0.4 knows the filter" in home.works("install")
    check_installed(home.profiles / "3.0" / "plug-ins" / "lptn-retouch")
    assert (home.profiles / "3.0" / "gimprc").exists()


def test_a_profile_that_gimp_has_used_stays_when_the_plug_in_goes(home: Home) -> None:
    home.works("install")
    (home.profiles / "3.0" / "gimprc").touch()
    home.works("uninstall")
    assert (home.profiles / "3.0" / "brushes").is_dir()


# Again, and over an older one.


def test_a_second_install_changes_nothing(home: Home) -> None:
    home.profile()
    home.works("install")
    before = home.tree()
    home.works("install")
    assert home.tree() == before


def test_an_older_version_is_replaced_and_what_is_not_ours_stays(home: Home, one_sentence: Sentence) -> None:
    folder = home.profile().plug_in
    (home.plugin / "former.py").write_text("of the older version")
    assert home.run("install", version="0.0.9")[0] == 1  # the engine is another, and that is told
    for name in ("engine.log", "notes.txt"):
        (folder / name).write_text("...")
    (folder / "__pycache__").mkdir()
    (home.plugin / "former.py").unlink()
    assert "0.0.9" in home.fails(one_sentence, "doctor")[1]
    home.works("install")
    assert {path.name for path in folder.iterdir()} == OURS | {"notes.txt"}
    (folder / "notes.txt").unlink()
    check_installed(folder)


def test_a_link_gives_way_and_what_it_points_at_stays(home: Home) -> None:
    folder = home.profile().plug_in
    folder.symlink_to(home.plugin)
    home.works("install")
    assert not folder.is_symlink()
    check_installed(folder)
    assert {path.name for path in home.plugin.iterdir()} == OURS - {"engine.json"}


def test_what_a_killed_installation_left_is_removed(home: Home) -> None:
    left = home.profile().plug_in.parent / ".lptn-retouch-abc"
    left.mkdir()
    (left / "lptn-retouch.py").touch()
    home.works("install")
    assert not left.exists()
    left.mkdir()
    home.works("uninstall")
    assert not left.exists()


# Out again.


def test_uninstall_removes_all_of_it_and_nothing_else(home: Home) -> None:
    for version in ("3.0", "3.2"):
        other = home.profile(version).plug_in.parent / "other"
        other.mkdir()
        (other / "other.py").touch()
    before = home.tree()
    home.works("install")
    folder = home.profiles / "3.0" / "plug-ins" / "lptn-retouch"
    (folder / "engine.log").touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "pixels.pyc").touch()
    assert home.works("uninstall").count("removed: ") == 2
    assert home.tree() == before
    assert home.works("uninstall") == "nothing is installed.\n"


def test_uninstall_leaves_what_others_put_into_the_folder(home: Home) -> None:
    folder = home.profile().plug_in
    home.works("install")
    (folder / "notes.txt").write_text("mine")
    assert home.works("uninstall").count("removed: ") == 3
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_uninstall_removes_a_link_and_not_what_it_points_at(home: Home) -> None:
    folder = home.profile().plug_in
    folder.symlink_to(home.plugin)
    home.works("uninstall")
    assert not folder.is_symlink() and len(list(home.plugin.iterdir())) == 2


# What stands in the way.


def test_a_profile_that_cannot_be_written_is_named_and_the_others_are_served(
    home: Home, one_sentence: Sentence
) -> None:
    for version in ("3.2", "3.4", "3.6"):
        home.profile(version).plug_in.parent.rmdir()
    (home.profiles / "3.2" / "plug-ins").write_text("a file")
    (home.profiles / "3.4" / "plug-ins").symlink_to("/sys")  # where nobody makes a folder, root neither
    home.profile("3.6").plug_in.write_text("a file")
    home.profile("3.0")
    out, err = home.fails(one_sentence, "install")
    assert out.count("installed: ") == 1 and "Filters" not in out
    for version in ("3.2", "3.4", "3.6"):
        assert str(home.profiles / version) in err
    check_installed(home.profiles / "3.0" / "plug-ins" / "lptn-retouch")
    assert (home.profiles / "3.6" / "plug-ins" / "lptn-retouch").read_text() == "a file"
    assert (home.profiles / "3.2" / "plug-ins").read_text() == "a file"


def test_a_home_in_which_no_profile_can_be_made(home: Home, one_sentence: Sentence) -> None:
    (home.path / ".config").write_text("a file")
    assert "cannot be made" in home.fails(one_sentence, "install")[1]


def test_an_installation_without_the_plug_in_says_so(home: Home, one_sentence: Sentence) -> None:
    home.profile()
    (home.plugin / "lptn-retouch.py").unlink()
    for verb in ("install", "doctor"):
        assert "not in this installation" in home.fails(one_sentence, verb)[1]


# A GIMP that is asked.


def test_gimp_is_asked_as_a_desktop_starts_it_and_with_its_own_profile_only(home: Home) -> None:
    mine, other = home.profile("3.0"), home.profile("3.2")
    home.gimp()
    environment = str(Path(sys.prefix, "bin"))
    home.environment["PATH"] = f"{environment}:{home.environment['PATH']}"
    for verb in ("install", "doctor"):
        out = home.works(verb)
        assert f"GIMP 3.0.4 knows the filter: {mine.path}\n" in out
    log = (home.path / "gimp.log").read_text()
    assert log.count("--batch-interpreter=python-fu-eval") == 2 and str(other.path) not in log
    assert f" {home.bin}:/usr/bin:/bin   -i" in log, "no environment of Python's, whose python3 has no gi"


def test_a_gimp_that_does_not_know_the_filter_is_a_fault(home: Home, one_sentence: Sentence) -> None:
    home.profile()
    home.gimp(GIMP.replace("lptn-retouch: True", "lptn-retouch: False"))
    for verb in ("install", "doctor"):
        out, err = home.fails(one_sentence, verb)
        assert "does not know plug-in-lptn-retouch" in err and "Filters" not in out


@pytest.mark.parametrize("end", ["exit 64", "kill -SEGV $$"])
def test_a_gimp_that_cannot_be_asked_is_told(home: Home, end: str, one_sentence: Sentence) -> None:
    home.profile()
    home.gimp(GIMP.replace('echo "some noise"', end))
    assert "could not be asked" in home.fails(one_sentence, "install")[1]


def test_the_newest_console_is_asked_and_gimp_2_is_passed_over(home: Home) -> None:
    home.profile("3.2")
    home.gimp(version="2.10.34", name="gimp-console")
    assert "no GIMP 3 is on PATH" in home.works("install")
    home.gimp(version="3.0.4", name="gimp-console-3.0")
    home.gimp(version="3.2.6", name="gimp-console-3.2")
    assert "GIMP 3.2.6 knows" in home.works("install")


def test_a_gimp_that_is_not_on_the_path_can_be_named(home: Home, one_sentence: Sentence) -> None:
    home.profile()
    program = home.gimp().rename(home.path / "my-gimp")
    assert "GIMP 3.0.4 knows" in home.works("install", "--gimp", program)
    for wrong in (home.path / "nothing", home.gimp(version="2.10.34"), "/bin/true"):
        assert "is no GIMP 3" in home.fails(one_sentence, "doctor", "--gimp", wrong)[1]


# The doctor.


def faulty(change: Callable[[Path], object], words: str) -> pytest.param:
    return pytest.param(change, words, id=words.replace(" ", "-"))


def engine(folder: Path, **said: object) -> None:
    before = json.loads((folder / "engine.json").read_text())
    (folder / "engine.json").write_text(json.dumps(before | said))


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


HELLO = "import sys; print({!r}, flush=True); sys.stdin.readline(); print({!r}, flush=True); sys.stdin.read()"
TOLD = '{"id": 1, "kind": "done", "presets": [{"name": "retouch"}]}'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        faulty(remove, "is not installed here"),
        faulty(lambda folder: (remove(folder), folder.write_text("")), "holds no lptn-retouch.py"),
        faulty(lambda folder: (folder / "lptn-retouch.py").unlink(), "holds no lptn-retouch.py"),
        faulty(lambda folder: (folder / "lptn-retouch.py").chmod(0o644), "is not executable"),
        faulty(lambda folder: folder.rename(folder.with_name("lptn-retouch-main")), "GIMP passes over it"),
        faulty(lambda folder: (folder.parent / "lptn-retouch.py").touch(), "GIMP passes over it"),
        faulty(
            lambda folder: ((folder / "lptn-retouch").mkdir(), (folder / "lptn-retouch/lptn-retouch.py").touch()),
            "GIMP passes over it",
        ),
        faulty(lambda folder: (folder / "pixels.py").unlink(), "pixels.py: this file is missing"),
        faulty(lambda folder: (folder / "pixels.py").write_text("SIZE = 4\n"), "this file is not that of version"),
        faulty(lambda folder: engine(folder, version="0.0.9"), "is of version 0.0.9"),
        faulty(lambda folder: (folder / "engine.json").unlink(), "lptn-retouch is not on PATH"),
        faulty(lambda folder: (folder / "engine.json").write_text("{"), "does not say how to start the engine"),
        faulty(lambda folder: engine(folder, command="serve"), "does not say how to start the engine"),
        faulty(lambda folder: engine(folder, command=["/no/such/python"]), "/no/such/python is not there"),
        faulty(lambda folder: engine(folder, command=python("import no_such_module")), "No module named"),
        faulty(lambda folder: engine(folder, command=python("print('hello there')")), "does not answer"),
        faulty(lambda folder: engine(folder, command=["/bin/true"]), "it said nothing"),
        faulty(
            lambda folder: engine(
                folder, command=python(HELLO.format('{"kind": "hello", "protocol": 7, "version": "9"}', TOLD))
            ),
            "speaks protocol 7",
        ),
        faulty(
            lambda folder: engine(
                folder, command=python(HELLO.format('{"kind": "hello", "protocol": 1, "version": "9"}', TOLD))
            ),
            "the engine is lptn-retouch 9",
        ),
        faulty(
            lambda folder: engine(
                folder,
                command=python(
                    HELLO.format(
                        f'{{"kind": "hello", "protocol": 1, "version": "{__version__}"}}', TOLD.replace("retouch", "x")
                    )
                ),
            ),
            "has not the presets",
        ),
    ],
)
def test_the_doctor_names_the_fault_and_its_mend(
    home: Home, change: Callable[[Path], object], words: str, one_sentence: Sentence
) -> None:
    folder = home.profile().plug_in
    home.works("install")
    change(folder)
    out, err = home.fails(one_sentence, "doctor")
    assert words in err and "sound" not in out
    assert all(";" in line for line in err.splitlines()), "each with its mend"


def test_the_doctor_looks_at_every_profile(home: Home, one_sentence: Sentence) -> None:
    sound, ill = home.profile("3.0"), home.profile("3.2")
    home.works("install")
    (ill.plug_in / "lptn-retouch.py").chmod(0o644)
    out, err = home.fails(one_sentence, "doctor")
    assert str(sound.plug_in) in out and str(ill.plug_in) in err and err.count("\n") == 1


def test_an_installation_by_hand_is_sound_where_the_command_is_on_the_path(home: Home) -> None:
    folder = home.profile().plug_in
    home.works("install")
    (folder / "engine.json").unlink()
    program = home.bin / "lptn-retouch"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m lptn_retouch "$@"\n')
    program.chmod(0o755)
    assert "sound" in home.works("doctor")


def test_an_engine_that_hangs_is_given_up(one_sentence: Sentence) -> None:
    with pytest.raises(InstallError) as caught:
        ask_engine(python("import time; time.sleep(600)"), patience=0.5)
    one_sentence(caught.value)


@pytest.mark.parametrize("sandbox", ["Flatpak", "Snap"])
def test_a_program_that_a_sandbox_hides_is_told(tmp_path: Path, sandbox: str, one_sentence: Sentence) -> None:
    (fault,) = hidden(Profile(tmp_path, sandbox), "/usr/bin/env")
    assert sandbox in one_sentence(fault)
    assert not list(hidden(Profile(tmp_path), "/usr/bin/env"))
    assert not list(hidden(Profile(tmp_path, sandbox), "/home/me/python"))


# The zip.


def test_the_zip_holds_the_plug_in_and_the_same_files_make_the_same_bytes(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "PLACES", (home.plugin,))
    (home.plugin / "__pycache__").mkdir()
    for name in ("engine.log", "engine.json", ".hidden"):
        (home.plugin / name).touch()
    first = write_archive(tmp_path / "dist")
    assert first.name == f"lptn-retouch-gimp-{__version__}.zip"
    before = first.read_bytes()
    for path in home.plugin.iterdir():
        os.utime(path, (1e9, 1e9))
        path.chmod(0o700)
    assert write_archive(tmp_path / "dist").read_bytes() == before
    with zipfile.ZipFile(first) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
        assert modes == {"lptn-retouch/lptn-retouch.py": 0o755, "lptn-retouch/pixels.py": 0o644}
        assert archive.read("lptn-retouch/pixels.py") == b"SIZE = 3\n"


def test_make_plugin_zip_and_the_wheel_take_the_plug_in_from_its_place(tmp_path: Path) -> None:
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    here = include["force-include"]["plugins/gimp/lptn-retouch"]
    assert ROOT / here == installing.PLACES[0]
    if not installing.PLACES[1].is_dir():
        pytest.skip("the plug-in is not in this checkout")
    command = (ROOT / "Makefile").read_text().partition("plugin-zip:\n\t$(PYTHON) ")[2].partition(" dist\n")[0].split()
    done = subprocess.run([sys.executable, *command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(done.stdout.strip()) as archive:
        assert set(archive.namelist()) == {f"lptn-retouch/{name}" for name in installing.shipped()}
