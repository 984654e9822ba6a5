"""What a preset may be called, and which of the names that there are was meant."""

import re
from collections.abc import Iterable

# A name that ended like a file would be looked for as a path.
_NAME = re.compile(r"(?!.*\.safetensors$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def valid_name(name: str) -> bool:
    """Whether a preset can have this name: letters, digits, ``.``, ``_`` and ``-``, 64 at most.

    Example:
        >>> valid_name("winter-2"), valid_name("../winter")
        (True, False)
    """
    return _NAME.fullmatch(name) is not None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that is not known: a question, or "" if nothing known is like it.

    Args:
        word: as it was written.
        known: what could have been.

    Example:
        >>> did_you_mean("retuch", ["night", "retouch"]), did_you_mean("x", ["night", "retouch"])
        ('did you mean `retouch`?', '')
    """
    from difflib import get_close_matches  # only a mistake needs it

    spelt = {name.casefold(): name for name in known}
    close = get_close_matches(word[:80].casefold(), spelt, 1, cutoff=0.7)  # at 0.6 "nosuch" is `retouch`
    return f"did you mean `{spelt[close[0]]}`?" if close else ""
