"""``lptn-retouch redo``: make a result again from its source, by the recipe written in it."""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lptn_retouch.batch.settings import Output
from lptn_retouch.cli.parser import examples
from lptn_retouch.cli.paths import STREAM, one_file, print_path
from lptn_retouch.cli.streams import write
from lptn_retouch.cli.talk import add_talk, tell, tell_engine
from lptn_retouch.cli.targets import Check, add_existing, ended_by, make_folders, plan
from lptn_retouch.errors import (
    InTheWayError,
    MetadataError,
    PhotoError,
    PresetError,
    UnreadablePhotoError,
    UsageError,
    shown,
)
from lptn_retouch.names import valid_name

if TYPE_CHECKING:
    from lptn_retouch.mask import Mask
    from lptn_retouch.metadata.recipe import Recipe
    from lptn_retouch.retoucher import Retoucher

_UNSURE = "Its recipe does not say what it was made from, so nobody checked that this is the source."


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "redo",
        help="make a result again from its source",
        description=__doc__,
        epilog=examples(
            "lptn-retouch redo holiday-retouch.jpg",
            "lptn-retouch redo holiday-retouch.jpg --source originals/ -o again.jpg",
        ),
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="a result of apply")
    parser.add_argument(
        "--source", metavar="FILE_OR_FOLDER", type=Path, help="where the source is, if not beside FILE or a folder up"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE_OR_FOLDER", help="as in apply (default: beside FILE, as NAME-redo)"
    )
    add_existing(parser)
    parser.add_argument(
        "-p",
        "--preset",
        action="append",
        default=[],
        help="name or file of the preset, if it is not installed under its name; of a stack, one or more of them",
    )
    parser.add_argument("--mask", metavar="FILE", help="the mask that the result was made with")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps, reference (default: auto)")
    add_talk(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from lptn_retouch.files import as_path

    file = as_path(one_file(args.file))
    recipe = recipe_of(file)
    stack = "-".join(step.preset for step in recipe.steps)
    (target,) = plan([file], args.output, None, stack, "{stem}-redo.{ext}")
    try:
        Check([file], overwrite=args.overwrite, asked_for=True)(file, target)
        _redo(args, file, recipe, target)
    except InTheWayError as error:
        return ended_by(error, skip=args.skip)
    return 0


def _redo(args: argparse.Namespace, file: Path, recipe: Recipe, target: Path) -> None:
    source = source_of(recipe, file, args.source)
    unsure = () if recipe.source_sha256 else (_UNSURE,)
    if target != STREAM and target.exists() and target.samefile(source):
        raise UsageError(f"{shown(target)} is the source and is never replaced; name another file with -o.")
    mask = mask_for(recipe, args.mask)
    started = time.monotonic()
    retoucher = retoucher_for(recipe, args.preset, args.device)
    make_folders([target])
    photo = retoucher(source, amount=recipe.amount, detail=recipe.detail, mask=mask)
    output = Output(
        quality=recipe.quality or 92,
        bit_depth=recipe.bit_depth,
        metadata=recipe.metadata or "keep",
        profile=recipe.profile or "keep",
        long_edge=recipe.long_edge,
        sharpen=recipe.sharpened,
    )
    saved = write(photo, output, target, overwrite=args.overwrite)
    if target != STREAM and not args.quiet:
        print_path(saved.path)
    tell_engine(args, retoucher)
    tell(args, photo, saved, time.monotonic() - started, (*unsure, *_other_version(recipe)))


def recipe_of(file: Path) -> Recipe:
    """The recipe in a result.

    Raises:
        PhotoError: the file cannot be read.
        MetadataError: it holds no recipe, or one that cannot be repeated.
    """
    from lptn_retouch.metadata.recipe import read_recipe
    from lptn_retouch.opening import metadata_of

    recipe = read_recipe(metadata_of(file))
    if recipe is None:
        raise MetadataError(f"{shown(file)}: there is no recipe in it; give a result of apply that kept its metadata.")
    if recipe.masked and not recipe.mask_sha256:
        raise MetadataError(f"{shown(file)}: it was made with a mask, which is not kept; retouch its source again.")
    if not recipe.source_sha256 and recipe.metadata != "strip-private":
        raise MetadataError(f"{shown(file)}: its recipe names no source; it was not made from a file in one step.")
    return recipe


def source_of(recipe: Recipe, file: Path, given: Path | None) -> Path:
    """The file that a result was made from: that of its name and of exactly its content.

    A name that some system could not have (bytes that are no text, a colon) stands in no recipe; then all files of the
    folders are looked at.

    Args:
        recipe: of the result.
        file: the result; its folder and the one above are searched.
        given: the source itself, or a folder to search first.

    Raises:
        UsageError: there is no such file or folder as the one given, or the recipe names no source and none is given.
        UnreadablePhotoError: there is no source, or files of its name have other contents.
    """
    if given is not None and not os.path.exists(given):  # noqa: PTH110  (asks of impossible names as well)
        raise UsageError(f"{shown(given)}: there is no such file or folder; name the source or its folder.")
    if not recipe.source_sha256:
        if given is None or os.path.isdir(given):  # noqa: PTH112
            raise UsageError(
                f"{shown(file)}: its source was left out of it as private; name the file itself with --source."
            )
        return given
    if given is not None and not os.path.isdir(given):  # noqa: PTH112
        candidates = [given]
    else:
        here = file.absolute().parent
        folders = [given] if given is not None else []
        folders += [here, here.parent]
        if not recipe.source_name:
            return _of_content(recipe.source_sha256, folders, file)
        candidates = [folder / recipe.source_name for folder in folders]
    others = []
    for candidate in candidates:
        if os.path.isfile(candidate):  # noqa: PTH113
            if _sha256(candidate) == recipe.source_sha256:
                return candidate
            others.append(candidate)
    if others:
        raise UnreadablePhotoError(
            f"{shown(others[0])}: this is not what {shown(file.name)} was made from, its content is another; "
            "name the source with --source."
        )
    raise UnreadablePhotoError(
        f"{shown(file)}: its source {shown(recipe.source_name)} was not found; name it or its folder with --source."
    )


def _of_content(sha256: str, folders: list[Path], file: Path) -> Path:
    """The file of exactly this content; `file` was made from it.

    Raises:
        UnreadablePhotoError: there is none.
    """
    for folder in folders:
        with suppress(OSError):  # a folder that may not be read, or a file in it
            files = [path for path in folder.iterdir() if path.is_file()]
            for path in sorted(files, key=lambda path: valid_name(path.name)):  # the oddest names first
                with suppress(PhotoError):
                    if _sha256(path) == sha256:
                        return path
    raise UnreadablePhotoError(f"{shown(file)}: its source was not found; name it or its folder with --source.")


def mask_for(recipe: Recipe, given: str | None) -> Mask | None:
    """The mask that a result was made with; None for one made without.

    Raises:
        UsageError: none is given and one is needed, or the other way round.
        PhotoError: it cannot be opened.
        MetadataError: its content is another.
    """
    from lptn_retouch.mask import open_mask

    if not recipe.masked:
        if given is not None:
            raise UsageError("the result was made without a mask; leave out --mask.")
        return None
    if given is None:
        raise UsageError(f"the result was made with the mask {shown(recipe.mask_name or 'file')}; name it with --mask.")
    mask = open_mask(given)
    if mask.sha256 != recipe.mask_sha256:
        raise MetadataError(
            f"{shown(given)}: this is not the mask of the result, its content is another; name that one."
        )
    return mask


def retoucher_for(recipe: Recipe, given: list[str], device: str) -> Retoucher:
    """A Retoucher with exactly the weights that a result was made with.

    Args:
        given: names or files of presets, known by their weights; the others are found by the recipe's names.

    Raises:
        UsageError: the recipe does not name a preset, and none is given.
        PresetNotFoundError: there is no preset of this name.
        PresetError: its weights are others.
    """
    from lptn_retouch.preset import load_preset
    from lptn_retouch.retoucher import Retoucher

    here = [load_preset(preset) for preset in given]
    wanted = {step.weights_sha256 for step in recipe.steps}
    strange = [preset for preset in here if preset.sha256 not in wanted]
    steps = []
    for step in recipe.steps:
        found = next((preset for preset in here if preset.sha256 == step.weights_sha256), None)
        if found is None and not (strange or step.preset):
            raise UsageError("the recipe does not name its preset; name its file with --preset.")
        found = found or (strange[0] if strange else load_preset(step.preset))
        if found.sha256 != step.weights_sha256:
            version = f"version {step.preset_version}" if step.preset_version else "a version without a number"
            raise PresetError(
                f"the preset {shown(found.name)} here has other weights than the result was made with "
                f"({version}, SHA-256 {step.weights_sha256[:16]}); install that version or name its file with --preset."
            )
        steps.append((found, step.strength))
    return Retoucher(steps, device)


def _other_version(recipe: Recipe) -> tuple[str, ...]:
    from lptn_retouch.version import __version__

    if recipe.version == __version__:
        return ()
    return (f"It was made by lptn_retouch {recipe.version}; this is {__version__}, so pixels may differ a little.",)


def _sha256(path: Path) -> str:
    from lptn_retouch.files import open_regular

    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PhotoError(f"{shown(path)}: reading failed ({error.strerror}); copy it again from its source.") from None
