"""Byte grammars: where the parts of a file stand, and nothing of what they mean. No number in a file is trusted."""

import mmap
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | mmap.mmap
"""A whole file, in memory or mapped."""
