"""The text chunks of a PNG: their keywords and texts, and the binary profiles that some programs write as texts."""

import re
import zlib
from typing import NamedTuple

TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
LONGEST_TEXT = 16 << 20
"""Most bytes that a compressed text is inflated to."""

_PROFILE = re.compile(rb"\s*([^\n]*)\n\s*(\d{1,9})\s")
_NUL = b"\0"


class Text(NamedTuple):
    """One text of a PNG: its keyword, its bytes, and what those are encoded in."""

    keyword: str
    data: bytes
    encoding: str

    @property
    def text(self) -> str:
        """The text as such; bytes that are not in its encoding are read as Latin-1."""
        try:
            return self.data.decode(self.encoding)
        except UnicodeDecodeError:
            return self.data.decode("latin-1")


def inflated(data: bytes, most: int) -> bytes | None:
    """Inflate a zlib stream; None where it is damaged or longer than `most` bytes.

    >>> inflated(zlib.compress(b"profile"), 7), inflated(zlib.compress(b"profile"), 6)
    (b'profile', None)

    Source: PNG third edition, 10.1.
    """
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, most + 1)
    except zlib.error:
        return None
    return plain if stream.eof and len(plain) <= most else None


def read_text(chunk: bytes, most: int = LONGEST_TEXT) -> Text | None:
    """What a text chunk says.

    Args:
        chunk: its four-letter type and then its payload.
        most: longest text that is inflated, in bytes.

    Returns:
        Keyword and text; None where the chunk is damaged, too long, or not one of text.

    >>> read_text(b"tEXtAuthor\\0Ada")
    Text(keyword='Author', data=b'Ada', encoding='latin-1')

    Source: PNG third edition, 11.3.3 (tEXt, zTXt, iTXt).
    """
    kind = chunk[:4]
    keyword, nul, rest = chunk[4:].partition(_NUL)
    if kind not in TEXT_CHUNKS or not nul:
        return None
    data: bytes | None
    if kind == b"tEXt":
        data = rest
    elif kind == b"zTXt":
        data = inflated(rest[1:], most)
    else:
        compressed, after = rest[:1] == b"\1", rest[2:]
        language_end = after.find(_NUL)
        start = after.find(_NUL, language_end + 1) + 1
        if language_end < 0 or not start:
            return None
        data = inflated(after[start:], most) if compressed else after[start:]
    if data is None:
        return None
    return Text(keyword.decode("latin-1"), data, "utf-8" if kind == b"iTXt" else "latin-1")


def text_chunk(keyword: str, text: bytes) -> bytes:
    """A text chunk, type and payload, of a text whose encoding nobody knows.

    Args:
        keyword: 1 to 79 Latin-1 characters.
        text: in UTF-8, or in anything else, which is then taken for Latin-1.

    >>> text_chunk("Comment", b"d\\xc3\\xa9j\\xc3\\xa0")[:4], text_chunk("Comment", b"d\\xe9j\\xe0")[:4]
    (b'iTXt', b'tEXt')

    Source: PNG third edition, 11.3.3.
    """
    head = keyword.encode("latin-1") + _NUL
    text = text.rstrip(_NUL).replace(_NUL, b" ")  # no text of a PNG holds a NUL
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return b"tEXt" + head + text
    return b"tEXt" + head + text if text.isascii() else b"iTXt" + head + bytes(4) + text


def read_profile(text: bytes) -> bytes | None:
    """The bytes in the text of a "Raw profile type": its name and length, then hexadecimal digits.

    >>> read_profile(b"\\niptc\\n       3\\n1c0205\\n").hex()
    '1c0205'

    Source: ImageMagick 7, coders/png.c (Magick_png_read_raw_profile).
    """
    head = _PROFILE.match(text)
    if head is None:
        return None
    try:
        data = bytes.fromhex(text[head.end() :].decode("ascii"))
    except ValueError:
        return None
    return data if len(data) >= int(head[2]) else None


def profile_chunk(kind: str, data: bytes) -> bytes:
    """A compressed chunk with a "Raw profile type", its own type and payload.

    >>> read_profile(read_text(profile_chunk("iptc", b"8BIM")).data)
    b'8BIM'

    Source: ImageMagick 7, coders/png.c (Magick_png_write_raw_profile).
    """
    digits = data.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    text = f"\n{kind}\n{len(data):8}\n{lines}\n".encode("ascii")
    return b"zTXt" + f"Raw profile type {kind}".encode("latin-1") + b"\0\0" + zlib.compress(text, 9)
