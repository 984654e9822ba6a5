"""The header of a file of weights, read without torch.

Source: the safetensors format, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

from pathlib import Path

from lptn_retouch.errors import InvalidPresetError, shown

MAX_HEADER = 1 << 20  # bytes of a .safetensors header; a graded LPTN's with its card has about 7,000


def raw_header(path: Path) -> bytes:
    """The header of a .safetensors file, unread but not endless: a few bytes of JSON can become many in memory.

    Raises:
        InvalidPresetError: it claims to be longer than any preset's.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER:
            raise InvalidPresetError(
                f"{shown(path.name)}: its header claims more than {MAX_HEADER >> 20} MiB, so not an LPTN preset."
            )
        return file.read(length)
