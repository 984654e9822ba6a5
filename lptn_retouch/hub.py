"""Presets from the Hugging Face Hub, for ``presets import`` alone: nothing else ever looks at the network.

An address is ``hf://owner/name[@revision][/path/to/file.safetensors]``, as huggingface_hub's own file system writes
it. Without a path, the repository must hold one ``.safetensors`` file.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lptn_retouch.errors import InvalidPresetError, PresetError, UsageError, reason, shown

_ADDRESS = re.compile(
    r"hf://(?P<repo>[\w.-]+/(?P<name>[\w.-]+))(@(?P<revision>[\w.-]+))?(/(?P<file>[\w ./+-]+\.safetensors))?", re.ASCII
)


class Download(NamedTuple):
    """A file from the Hub, and the commit that it is from."""

    file: Path
    commit: str


def is_address(source: str | os.PathLike[str]) -> bool:
    """Whether this names something on the Hub and not a file.

    Example:
        >>> is_address("hf://owner/winter"), is_address("winter.safetensors")
        (True, False)
    """
    return isinstance(source, str) and source.startswith("hf://")


def default_name(address: str) -> str:
    """What a preset is called unless somebody says otherwise: as its file if that is named, or as its repository.

    Raises:
        UsageError: not an address.

    Example:
        >>> default_name("hf://owner/winter@v2"), default_name("hf://owner/seasons/presets/autumn.safetensors")
        ('winter', 'autumn')
    """
    parts = _parsed(address)
    return PurePosixPath(parts["file"]).stem if parts["file"] else parts["name"]


@contextmanager
def fetched(address: str) -> Iterator[Download]:
    """Fetch a preset's file into a folder of its own, which goes when the ``with`` block ends.

    The revision is turned into a commit first, and everything comes from that one. The file is no more to be trusted
    than any other.

    Args:
        address: see the module.

    Yields:
        The file and its commit.

    Raises:
        UsageError: not an address.
        InvalidPresetError: the file is larger than any preset.
        PresetError: huggingface_hub is not installed, could not fetch it, or there is not one file to be fetched.
    """
    from lptn_retouch.model.weights import MAX_BYTES

    parts = _parsed(address)
    try:
        import huggingface_hub as hub
    except ImportError:
        raise PresetError(
            f"{shown(address)}: this needs huggingface_hub, which is not installed; run "
            'pip install "lptn-retouch[hub]".'
        ) from None
    try:
        info = hub.model_info(parts["repo"], revision=parts["revision"], files_metadata=True)
    except Exception as error:  # whatever the library, and the network library below it, may raise
        raise _unfetched(address, error) from None
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    file = _chosen(address, parts["file"], [name for name in sizes if name.endswith(".safetensors")])
    if sizes[file] > MAX_BYTES:  # said before it is fetched
        raise InvalidPresetError(f"{shown(address)}: larger than {MAX_BYTES >> 20} MiB, so not an LPTN preset.")
    with tempfile.TemporaryDirectory(prefix="lptn-retouch-") as folder:
        try:
            path = Path(hub.hf_hub_download(parts["repo"], file, revision=info.sha, local_dir=folder))
        except Exception as error:
            raise _unfetched(address, error) from None
        yield Download(path, str(info.sha))


def _parsed(address: str) -> dict[str, str]:
    found = _ADDRESS.fullmatch(address)
    if not found or ".." in address:
        raise UsageError(
            f"{shown(address)[:200]}: not an address on the Hub; write hf://owner/name, hf://owner/name@revision or "
            "hf://owner/name/file.safetensors."
        )
    return found.groupdict()


def _chosen(address: str, wanted: str | None, there: list[str]) -> str:
    """The file named, or else the only one; names come from strangers."""
    if wanted:
        if wanted not in there:
            raise PresetError(f"{shown(address)}: there is no such file in the repository; check the address.")
        return wanted
    if not there:
        raise PresetError(f"{shown(address)}: this repository holds no .safetensors file, so no preset.")
    if len(there) > 1:
        some = ", ".join(shown(name)[:60] for name in sorted(there)[:3])
        raise PresetError(
            f"{shown(address)}: this repository holds {len(there)} .safetensors files ({some}...); name one, as in "
            "hf://owner/name/file.safetensors."
        )
    if not _ADDRESS.fullmatch(f"hf://owner/name/{there[0]}") or ".." in there[0]:
        raise PresetError(f"{shown(address)}: its file has a name that no preset would have.")
    return there[0]


def _unfetched(address: str, error: Exception) -> PresetError:
    said = reason(error).split(". ")[0]
    return PresetError(
        f"{shown(address)}: could not be fetched ({type(error).__name__}: {said}); check the address and the network."
    )
