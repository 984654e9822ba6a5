"""The house stands as docs/design.md draws it: rooms above each other, and an arrow only ever points down."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT

PACKAGE = ROOT / "lptn_retouch"

ROOMS = [
    *("errors", "version", "names", "choices", "budget", "threads", "files"),
    *("memory", "arguments", "notices", "remarks", "strength"),
    *("structures", "color", "metadata", "picture", "codecs", "thumbnail", "saving", "photo", "opening", "mask"),
    *("verify", "model", "preset", "hub", "engine", "stack", "tensors", "pil", "kinds", "retoucher", "luts", "sharing"),
    *("batch", "serve", "gimp", "training", "training.data", "training.teachers", "evaluation", "training.run"),
    *("lptn_retouch", "bench", "cli", "__main__"),
]
"""From the ground up. A room may import from those before it, and from itself."""


def modules() -> dict[str, Path]:
    found = {}
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of ours that a module imports, wherever in it: at its top, in a function, for a type checker."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lptn_retouch"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("lptn_retouch"))


def room(module: str) -> str:
    """The innermost room that a module is in."""
    inside = module.removeprefix("lptn_retouch.").split(".")
    names = (".".join(inside[:depth]) for depth in range(len(inside), 0, -1))
    return next((name for name in names if name in ROOMS), inside[0])


def test_every_room_has_its_place() -> None:
    assert sorted({room(module) for module in modules()}) == sorted(ROOMS)


@pytest.mark.slow
def test_arrows_point_down() -> None:
    known, height = modules(), {name: i for i, name in enumerate(ROOMS)}
    up = [
        f"{module} imports {target}"
        for module, file in known.items()
        for target in imports(file, known)
        if height[room(target)] > height[room(module)]
    ]
    assert up == []


@pytest.mark.slow
def test_modules_do_not_import_each_other_in_a_circle() -> None:
    known = modules()
    arrows = {module: set(imports(file, known)) & set(known) - {module} for module, file in known.items()}
    while free := {module for module, targets in arrows.items() if not targets & set(arrows)}:
        arrows = {module: targets for module, targets in arrows.items() if module not in free}
    assert sorted(arrows) == []


def test_the_drawing_shows_the_rooms_in_this_order() -> None:
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    drawn = [name.replace("/", ".") for name in re.findall(r"^\| `([a-z_/]+?)/?`", text, re.MULTILINE)]
    assert [name for name in ROOMS if name in drawn] == drawn
    missing = {name for name in ROOMS if PACKAGE.joinpath(*name.split(".")).is_dir()} - set(drawn)
    assert missing == set()


@pytest.mark.parametrize("script", sorted((ROOT / "tools").glob("*.py")), ids=lambda script: script.stem)
def test_what_maintainers_run_finds_what_it_imports(script: Path) -> None:
    known = modules()
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lptn_retouch"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or f"{node.module}.{alias.name}" in known, (
                    f"{node.module} {alias.name}"
                )
