"""A look-up table in a file of any kind, and what a preset made of it says of itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lptn_retouch.errors import shown
from lptn_retouch.luts.cube import read_cube
from lptn_retouch.luts.hald import read_hald
from lptn_retouch.model.lut import Lut


def read_lut(path: Path) -> Lut:
    """Read a table: a ``.cube`` file by its ending, anything else as a HaldCLUT.

    Raises:
        InvalidPresetError: it is neither.
    """
    return read_cube(path) if path.suffix.lower() == ".cube" else read_hald(path)


def told_of(lut: Lut, source: Path, name: str) -> dict[str, str]:
    """The header of the preset that is made of a table, with its card."""
    what, between = ("three curves", "linearly") if lut.table.ndim == 2 else ("a cube", "tetrahedrally")
    first, last = (" ".join(f"{value:g}" for value in colour) for colour in lut.domain)
    titled = f' It calls itself "{shown(lut.title)}".' if lut.title else ""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    summary = f"A look-up table of colours, from {shown(source.name)}."
    card = f"""# {name}

{summary}{titled}

- {what.capitalize()} of {lut.size:,} samples a side, from {first} to {last}
- Its numbers are taken as sRGB, display-referred; one made for another space (a camera's log) gives wrong colours
- SHA-256 of the file: {digest}

A table looks at nothing: a colour becomes the same in every photograph and everywhere in it. `amount` scales its
change; it has no bands, so `detail` says nothing. Between samples it is interpolated {between}.
"""
    return {"version": "1", "summary": summary, "training_data": "none", "card": card}
