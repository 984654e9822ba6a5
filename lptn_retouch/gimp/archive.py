"""A zip of the plug-in for those who install by hand: ``python -m lptn_retouch.gimp.archive dist``."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from lptn_retouch.gimp.install import MAIN, shipped
from lptn_retouch.version import __version__

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip knows


def write_archive(folder: Path) -> Path:
    """Write the zip into a folder. The same files make the same bytes.

    Unpacked into a profile's ``plug-ins``, it is installed; the engine is then ``lptn-retouch`` on PATH.

    Returns:
        The zip.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"lptn-retouch-gimp-{__version__}.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in shipped().items():
            entry = zipfile.ZipInfo(f"lptn-retouch/{name}", _LONG_AGO)
            entry.create_system = 3  # Unix, whose permissions these are
            entry.external_attr = (0o100755 if name == MAIN else 0o100644) << 16
            archive.writestr(entry, data)
    return target


if __name__ == "__main__":
    print(write_archive(Path(sys.argv[1])))
