"""A real GIMP: where it is, and a fresh profile in it with the plug-in. What runs inside GIMP is no test module."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

import lptn_retouch

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PLUG_IN = REPOSITORY / "plugins" / "gimp" / "lptn-retouch"
collect_ignore = ["in_gimp.py", "on_screen.py"]


@dataclass(frozen=True)
class Gimp:
    """A GIMP in a root of its own, and a working folder in it that goes away with the session.

    Args:
        root: where the root lies.
        work: the folder, as seen from outside.
        sees_host: whether /host within it is this machine.
    """

    root: Path
    work: Path
    sees_host: bool

    @property
    def inside(self) -> str:
        """The working folder as seen from within."""
        return "/" + str(self.work.relative_to(self.root))

    @property
    def real_engine(self) -> list[str]:
        """The command, from within, of the engine outside."""
        library = Path(lptn_retouch.__file__).parents[1]
        python = [f"PYTHONPATH={library}", "OMP_NUM_THREADS=1", f"HOME={Path.home()}", sys.executable]
        return ["/usr/sbin/chroot", "/host", "/usr/bin/env", *python, "-m", "lptn_retouch", "serve"]

    def run(self, *words: str, seconds: int = 240, **environment: str) -> str:
        """Run a command in the root: all that it says. It must end well."""
        environment = {
            "HOME": self.inside,
            "WORK": self.inside,
            "GIMP3_DIRECTORY": f"{self.inside}/profile",
            **environment,
        }
        settings = [f"{name}={value}" for name, value in environment.items()]
        command = ["/usr/bin/env", *settings, *words]
        if self.sees_host:
            command = [str(HERE / "in-gimp-root.sh"), str(self.root), *command]
        else:
            clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
            command = ["chroot", str(self.root), *clean, *command]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds
        )
        assert done.returncode == 0, f"status {done.returncode}: {done.stdout[-4000:]}"
        return done.stdout

    def set_up(self) -> None:
        """A fresh profile with the plug-in, and the pictures."""
        for folder in ("images", "real", "shots", "few"):
            (self.work / folder).mkdir()
        shutil.copytree(PLUG_IN, self.work / "profile" / "plug-ins" / "lptn-retouch")
        for script in (*HERE.glob("*.py"), HERE / "on_screen.sh"):
            shutil.copy(script, self.work)
        shutil.copy(REPOSITORY / "samples" / "oakland-zoo-otters.jpg", self.work / "images" / "photo.jpg")
        deep = (np.arange(50 * 60 * 3, dtype=np.uint32) * 7919 % 65536).astype(np.uint16).reshape(50, 60, 3)
        tifffile.imwrite(self.work / "images" / "deep.tif", deep, photometric="rgb")
        (self.work / "images" / "deep.png").write_bytes(imagecodecs.png_encode(deep))
        theirs = next(self.root.glob("usr/lib/*/gimp/3.0/plug-ins"))
        for name in ("python-eval", "file-png", "file-jpeg", "file-tiff"):
            (self.work / "few" / name).symlink_to("/" + str((theirs / name).relative_to(self.root)))


@pytest.fixture(scope="module")
def gimp() -> Iterator[Gimp]:
    """GIMP 3.0, or the version in $LPTN_TEST_GIMP; the root is made where it can be and is not yet there."""
    version = os.environ.get("LPTN_TEST_GIMP", "3.0")
    made = subprocess.run([HERE / "make-gimp-root.sh", version], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(made.stderr.strip().rpartition("\n")[2])
    root = Path(made.stdout.strip())
    if os.geteuid() != 0:
        pytest.skip(f"only root can start the GIMP in {root} (chroot)")
    sees_host = subprocess.run([HERE / "in-gimp-root.sh", root, "true"], capture_output=True).returncode == 0
    work = Path(tempfile.mkdtemp(prefix="lptn-retouch-", dir=root / "tmp"))
    work.chmod(0o755)
    gimp = Gimp(root, work, sees_host)
    gimp.set_up()
    yield gimp
    shutil.rmtree(work)
