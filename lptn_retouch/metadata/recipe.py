"""How a result was made, written into its XMP, so that it can be made again from its source."""

import re
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from lptn_retouch.choices import BitDepth, MetadataChoice, ProfileChoice
from lptn_retouch.errors import MetadataError
from lptn_retouch.metadata.metadata import Metadata
from lptn_retouch.metadata.xmp.edit import is_xml_text, with_properties, without_properties
from lptn_retouch.metadata.xmp.properties import Property, xmp_properties
from lptn_retouch.names import valid_name
from lptn_retouch.version import __version__

RECIPE = "http://ns.lptn-retouch.org/recipe/1.0/"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
SOURCE_TYPE = "DigitalSourceType"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_ALTERED = "algorithmicallyEnhanced"
# What already says that more than this was done to the picture.
_STRONGER = frozenset({
    "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic", "algorithmicMedia",
})  # fmt: skip

_UNREADABLE = "The recipe was left out: the XMP packet that it belongs in is damaged."

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?(e-[0-9]{1,3})?")
_WHOLE = re.compile(r"[0-9]{1,5}")
_LONGEST_NAME = 255
_LONGEST_WORD = 64
_MOST_STEPS = range(2, 17)


@dataclass(frozen=True)
class Step:
    """A preset of a stack, as :class:`Recipe` names it, and its strength, 0 to 2."""

    preset: str
    preset_version: str
    weights_sha256: str
    strength: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """What repeats a retouch.

    Args:
        preset: its name; "" where it has none that a file can be found by.
        preset_version: as its header has it; "" where unknown.
        weights_sha256: of the preset's file, in hexadecimal.
        amount: 0 to 2.
        detail: 0 to 2.
        masked: a mask was used, which is not kept; a file is known by `mask_name` and `mask_sha256`.
        source_name: the source's file name, without folders; "" for a picture from memory, or left out as private.
        source_sha256: of the source, in hexadecimal; "" likewise.
        alters: what of the scene the preset makes other than it was; "" for one that only develops.
        version: of lptn_retouch.
        quality: 1 to 100, as the result was saved; None where it does not matter.
        bit_depth: 8, 16 or 32, as asked for; None for the source's own.
        metadata: "keep" or "strip-private", as the result was saved.
        profile: "keep" or "srgb", as the result was saved.
        long_edge: most pixels of the longer side, as the result was saved; None for full size.
        sharpened: it was sharpened when it was made smaller.
        strength: 0 to 2, of the preset; `amount` and `detail` scale it.
        then: the presets that follow in a stack.
        mask_name: the mask's file name, without folders; "" for one from memory.
        mask_sha256: of the mask's file, in hexadecimal; "" for one from memory.

    >>> Recipe("retouch", "2", "ab" * 32, 1.0, 1.0, False, "IMG_1.jpg", "cd" * 32).quality is None
    True
    """

    preset: str
    preset_version: str
    weights_sha256: str
    amount: float
    detail: float
    masked: bool
    source_name: str
    source_sha256: str
    alters: str = ""
    version: str = __version__
    quality: int | None = None
    bit_depth: BitDepth | None = None
    metadata: MetadataChoice | None = None
    profile: ProfileChoice | None = None
    long_edge: int | None = None
    sharpened: bool = False
    strength: float = 1.0
    then: tuple[Step, ...] = ()
    mask_name: str = ""
    mask_sha256: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All presets, from first to last."""
        return (Step(self.preset, self.preset_version, self.weights_sha256, self.strength), *self.then)


def with_recipe(metadata: Metadata, recipe: Recipe, *, altered: bool) -> tuple[Metadata, tuple[str, ...]]:
    """Write a recipe into the XMP, in place of an older one.

    Args:
        metadata: of the result.
        recipe: names that no file can have are left out of it.
        altered: mark the picture as altered by an algorithm, unless it is marked as more than that already.

    Returns:
        The metadata, and notices: a damaged packet stays as it is.

    >>> recipe = Recipe("retouch", "2", "ab" * 32, 1.0, 0.5, False, "IMG_1.jpg", "cd" * 32, version="1.0")
    >>> metadata, _ = with_recipe(Metadata(), recipe, altered=False)
    >>> read_recipe(metadata) == recipe
    True

    Source: XMP part 1, 7; IPTC Photo Metadata Standard 2023.1, Digital Source Type.
    """
    packet = metadata.xmp
    try:
        if packet is not None:
            packet, _ = without_properties(packet, lambda space, _: space == RECIPE)
        packet = with_properties(packet, RECIPE, "lptn", _written(recipe))
        if altered and not _is_stronger(packet):
            source_type = {SOURCE_TYPE: _SOURCE_TYPES + _ALTERED}
            packet = with_properties(packet, IPTC_EXTENSION, "Iptc4xmpExt", source_type)
    except MetadataError:
        return metadata, (_UNREADABLE,)
    return metadata.with_xmp(packet), ()


def _written(recipe: Recipe) -> dict[str, str]:
    first, *then = recipe.steps
    values = _named(first) | {
        "Amount": repr(float(recipe.amount)),
        "Detail": repr(float(recipe.detail)),
        "Masked": str(recipe.masked),
        "SourceName": recipe.source_name if _is_file_name(recipe.source_name) else "",
        "SourceSHA256": recipe.source_sha256,
        "Alters": recipe.alters if _is_word(recipe.alters) else "",
        "Version": recipe.version,
    }
    saved = {
        "Quality": recipe.quality,
        "BitDepth": recipe.bit_depth,
        "Metadata": recipe.metadata,
        "Profile": recipe.profile,
        "LongEdge": recipe.long_edge,
        "Sharpened": recipe.sharpened or None,
        "Strength": None if first.strength == 1 else repr(float(first.strength)),
        "Steps": len(recipe.steps) if then else None,
        "MaskName": recipe.mask_name if recipe.mask_sha256 and _is_file_name(recipe.mask_name) else None,
        "MaskSHA256": recipe.mask_sha256 or None,
    }
    values |= {name: str(value) for name, value in saved.items() if value is not None}
    for number, step in enumerate(then, 2):
        named = _named(step) | {"Strength": repr(float(step.strength))}
        values |= {f"{name}_{number}": value for name, value in named.items()}
    return values


def _named(step: Step) -> dict[str, str]:
    return {
        "Preset": step.preset if valid_name(step.preset) else "",
        "PresetVersion": step.preset_version if _is_word(step.preset_version) else "",
        "WeightsSHA256": step.weights_sha256,
    }


def _is_stronger(packet: bytes) -> bool:
    values = (p.value for p in xmp_properties(packet) if (p.space, p.name) == (IPTC_EXTENSION, SOURCE_TYPE))
    return any(value.rpartition("/")[2] in _STRONGER for value in values)


def read_recipe(metadata: Metadata) -> Recipe | None:
    """Read a recipe, trusting none of it: whatever a file says, names stay names and numbers stay in their ranges.

    Args:
        metadata: of a result.

    Returns:
        The recipe; None where there is none.

    Raises:
        MetadataError: the XMP packet or the recipe in it is damaged or forged.

    >>> read_recipe(Metadata()) is None
    True

    Source: XMP part 1, 8.2 (Boolean, Integer, Real).
    """
    if metadata.xmp is None:
        return None
    packets = (metadata.xmp, *metadata.extended_xmp)  # a packet too long for a JPEG is in two
    found = [p for packet in packets for p in xmp_properties(packet) if p.space == RECIPE]
    return _Reading(found).recipe() if found else None


def is_result(metadata: Metadata) -> bool:
    """Whether a picture was retouched already: it has a recipe, be it one that cannot be repeated.

    >>> is_result(Metadata())
    False
    """
    packets = () if metadata.xmp is None else (metadata.xmp, *metadata.extended_xmp)
    try:
        return any(p.space == RECIPE for packet in packets for p in xmp_properties(packet))
    except MetadataError:
        return False


class _Reading:
    """The recipe's properties, each taken out only if it is of its kind."""

    def __init__(self, found: list[Property]) -> None:
        twice = [name for name, count in Counter(p.name for p in found).items() if count > 1]
        if twice:
            raise _forged(twice[0])
        self.values = {p.name: p.value for p in found if p.path == p.name}

    def recipe(self) -> Recipe:
        first = self._step("")
        return Recipe(
            preset=first.preset,
            preset_version=first.preset_version,
            weights_sha256=first.weights_sha256,
            amount=self._strength("Amount"),
            detail=self._strength("Detail"),
            masked=self._text("Masked", lambda text: text in ("True", "False")) == "True",
            source_name=self._source("SourceName", _is_file_name),
            source_sha256=self._source("SourceSHA256", lambda text: text == "" or _is_sha256(text)),
            alters=self._text("Alters", _is_word),
            version=self._text("Version", _is_word),
            quality=self._whole("Quality", range(1, 101)),
            bit_depth=self._whole("BitDepth", (8, 16, 32)),
            metadata=self._choice("Metadata", ("keep", "strip-private")),
            profile=self._choice("Profile", ("keep", "srgb")),
            long_edge=self._whole("LongEdge", range(16, 65536)),
            sharpened=self._choice("Sharpened", ("True", "False")) == "True",
            strength=first.strength,
            then=tuple(self._step(f"_{number}") for number in range(2, 1 + (self._whole("Steps", _MOST_STEPS) or 1))),
            mask_name=self._text("MaskName", _is_file_name) if "MaskName" in self.values else "",
            mask_sha256=self._text("MaskSHA256", _is_sha256) if "MaskSHA256" in self.values else "",
        )

    def _step(self, number: str) -> Step:
        return Step(
            self._text("Preset" + number, lambda text: text == "" or valid_name(text)),
            self._text("PresetVersion" + number, _is_word),
            self._text("WeightsSHA256" + number, _is_sha256),
            self._strength("Strength" + number) if number or "Strength" in self.values else 1.0,
        )

    def _text(self, name: str, is_sound: Callable[[str], bool]) -> str:
        value = self.values.get(name)
        if value is None or not is_sound(value):
            raise _forged(name)
        return value

    def _source(self, name: str, is_sound: Callable[[str], bool]) -> str:
        """What names the source; nothing where it was left out as private."""
        return self._text(name, is_sound) if name in self.values else ""

    def _strength(self, name: str) -> float:
        return float(self._text(name, lambda text: _NUMBER.fullmatch(text) is not None and 0 <= float(text) <= 2))

    def _whole(self, name: str, allowed: Container[int]) -> Any:
        if name not in self.values:
            return None
        return int(self._text(name, lambda text: _WHOLE.fullmatch(text) is not None and int(text) in allowed))

    def _choice(self, name: str, allowed: Container[str]) -> Any:
        return self._text(name, lambda text: text in allowed) if name in self.values else None


def _forged(name: str) -> MetadataError:
    return MetadataError(f"The recipe is damaged (its {name} is not one); retouch the source again by hand.")


def _is_sha256(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def _is_word(text: str) -> bool:
    return len(text) <= _LONGEST_WORD and text.isprintable()


def _is_file_name(text: str) -> bool:
    """Whether a name names a file in a folder on any system, and nothing else; none at all is fine."""
    return (
        is_xml_text(text)
        and len(text.encode()) <= _LONGEST_NAME
        and not set(text) & set("/\\:")
        and text not in (".", "..")
    )
