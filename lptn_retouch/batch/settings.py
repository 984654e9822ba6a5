"""What shall be done to a photograph, as values: the look it gets, and each file that is written of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from lptn_retouch.batch.words import bytes_of
from lptn_retouch.choices import BitDepth, MetadataChoice, ProfileChoice
from lptn_retouch.errors import UsageError
from lptn_retouch.stack import Step, check_strengths, stack_name, steps_of

if TYPE_CHECKING:
    from lptn_retouch.photo import Photo
    from lptn_retouch.saving import Saved


@dataclass(frozen=True)
class Look:
    """A preset and its strength.

    Args:
        preset: name or file of a preset; or several, a stack, as :class:`lptn_retouch.Retoucher` takes it.
        amount: 0 to 2, of the change of colour and light.
        detail: 0 to 2, of the change of fine detail.
        mask: the file of a mask, white where the look is applied; None for everywhere.

    Example:
        >>> Look("presets/winter.safetensors").name, Look(["retouch", ("winter", 0.6)]).name
        ('winter', 'retouch-winter')
    """

    preset: str | Sequence[str | Step] = "retouch"
    amount: float = 1.0
    detail: float = 1.0
    mask: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.preset, str):  # looks are compared, and kept in dictionaries
            steps = steps_of(self.preset)
            object.__setattr__(self, "preset", steps[0][0] if len(steps) == 1 == steps[0][1] else steps)
        check_strengths(self.steps, self.amount, self.detail)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The presets with their strengths, first to last."""
        return steps_of(self.preset)

    @property
    def name(self) -> str:
        """The preset's name, without folders and ending; of a stack, all of them."""
        return stack_name(self.steps)

    @property
    def words(self) -> str:
        """What it does, for people."""
        presets = ", then ".join(
            stack_name([step]) + (f" at {step[1]:g}" if step[1] != 1 else "") for step in self.steps
        )
        masked = f", masked by {self.mask}" if self.mask else ""
        return f"{presets}, amount {self.amount:g}, detail {self.detail:g}{masked}"


@dataclass(frozen=True)
class Output:
    """One file that is written of each photograph.

    Args:
        folder: inside the batch's folder of results; "" for that folder itself.
        format: "jpg", "png", "tiff", "webp", "avif", "jxl" or "jp2"; None for the photograph's own, JPEG for a RAW.
        quality: 1 to 100, where a format loses.
        bit_depth: 8, 16, or 32 for floats; None for the photograph's own.
        metadata: "keep", "strip-private" or "none".
        profile: "keep", or "srgb" to convert.
        long_edge: most pixels of the longer side; None for full size.
        sharpen: whether what is made smaller is sharpened for a screen.
        max_size: most bytes of a file, reached by a lower quality; None for any size.
        name: a template of names, see :mod:`lptn_retouch.batch.template`; None for the photograph's own.

    Example:
        >>> web = Output.parse("web:long-edge=2048,profile=srgb,quality=85,max-size=500KB")
        >>> web.folder, web.long_edge, web.profile, web.quality, web.max_size
        ('web', 2048, 'srgb', 85, 500000)
    """

    folder: str = ""
    format: str | None = None
    quality: int = 92
    bit_depth: BitDepth | None = None
    metadata: MetadataChoice = "keep"
    profile: ProfileChoice = "keep"
    long_edge: int | None = None
    sharpen: bool = True
    max_size: int | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        from lptn_retouch.batch.naming import ENDINGS, format_word
        from lptn_retouch.choices import METADATA, PROFILES

        if isinstance(self.format, str):
            object.__setattr__(self, "format", format_word(self.format))
        parts = PurePath(self.folder).parts
        if PurePath(self.folder).is_absolute() or ".." in parts or any(part.startswith(".") for part in parts):
            raise UsageError(f"an output's folder lies inside the results' and is not hidden, unlike {self.folder!r}.")
        for name, choices in (
            ("format", (None, *ENDINGS)),
            ("quality", range(1, 101)),
            ("bit_depth", (None, 8, 16, 32)),
            ("metadata", METADATA),
            ("profile", PROFILES),
        ):
            if (value := getattr(self, name)) not in choices:
                words = "1 to 100" if name == "quality" else ", ".join(str(choice) for choice in choices if choice)
                raise UsageError(f"an output's {name.replace('_', '-')} is one of {words}, not {value!r}.")
        if self.long_edge is not None and not 16 <= self.long_edge <= 65535:
            raise UsageError(f"an output's long-edge is 16 to 65535 pixels, not {self.long_edge!r}.")
        if self.max_size is not None and self.max_size < 1:
            raise UsageError(f"an output's max-size is a number of bytes, not {self.max_size!r}.")
        if self.name is not None:
            from lptn_retouch.batch.template import Template

            Template(self.name).check_inside(self.format)

    @classmethod
    def parse(cls, text: str) -> Output:
        """An output as the command line writes it: ``FOLDER:KEY=VALUE,KEY=VALUE``.

        Raises:
            UsageError: a key is not one of the settings, or a value not one of its.
        """
        folder, _, rest = text.partition(":")
        keys = {field.name.replace("_", "-"): field for field in fields(cls) if field.name != "folder"}
        values: dict[str, Any] = {}
        for pair in filter(None, rest.split(",")):
            key, _, value = pair.partition("=")
            if key not in keys:
                raise UsageError(f"an output has no {key!r}; its settings are {', '.join(keys)}.")
            name = keys[key].name
            if name in ("quality", "bit_depth", "long_edge"):
                if not value.isdecimal():
                    raise UsageError(f"an output's {key} is a whole number, not {value!r}.")
                values[name] = int(value)
            elif name == "sharpen":
                if value not in ("yes", "no"):
                    raise UsageError(f"an output's sharpen is yes or no, not {value!r}.")
                values[name] = value == "yes"
            elif name == "max_size":
                values[name] = bytes_of(value)
            else:
                values[name] = value
        if not folder:
            raise UsageError(f"{text!r} names no folder; write FOLDER:KEY=VALUE,KEY=VALUE.")
        return cls(folder, **values)

    def save(self, photo: Photo, target: Path, *, overwrite: bool = True) -> Saved:
        """Write a photo as this output; see :meth:`lptn_retouch.Photo.save`."""
        if self.long_edge is not None:
            photo = photo.fitted(self.long_edge, sharpen=self.sharpen)
        return photo.save(
            target,
            quality=self.quality,
            bit_depth=self.bit_depth,
            metadata=self.metadata,
            profile=self.profile,
            max_size=self.max_size,
            overwrite=overwrite,
        )


def recipe_of(look: Look, hashes: tuple[str, ...], outputs: tuple[Output, ...]) -> dict[str, Any]:
    """All that decides what the results of a photograph are, to be compared and kept in a journal; but for names.

    Args:
        hashes: SHA-256 of each preset's file, and of the mask's if there is one.
    """
    more: dict[str, Any] = {}
    if len(look.steps) > 1 or look.steps[0][1] != 1:
        names = [stack_name([step]) for step in look.steps]
        strengths = [strength for _, strength in look.steps]
        more["stack"] = [list(step) for step in zip(names, hashes, strengths, strict=False)]
    if look.mask is not None:
        more["mask_sha256"] = hashes[-1]
    return more | {
        "preset": look.name,
        "weights_sha256": hashes[0],
        "amount": float(look.amount),
        "detail": float(look.detail),
        "outputs": [{key: value for key, value in asdict(output).items() if key != "name"} for output in outputs],
    }
