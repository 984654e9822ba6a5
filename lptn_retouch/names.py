"""What a preset may be called."""

import re

# A name that ended like a file would be looked for as a path.
_NAME = re.compile(r"(?!.*\.safetensors$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def valid_name(name: str) -> bool:
    """Whether a preset can have this name: letters, digits, ``.``, ``_`` and ``-``, 64 at most.

    Example:
        >>> valid_name("winter-2"), valid_name("../winter")
        (True, False)
    """
    return _NAME.fullmatch(name) is not None
