"""The name of an ICC profile. Layout: ICC.1:2022, sections 7.2, 7.3, 9.2.41 (and ICC.1:2001, 6.5.17 for version 2)."""


def color_space(profile: bytes | None) -> tuple[str, tuple[str, ...]]:
    """What the numbers of a picture with this profile mean.

    Args:
        profile: the ICC profile, or None: without one, numbers are taken to be sRGB, as browsers do.

    Returns:
        "sRGB" for none and for the profiles that call themselves so, else the profile's description; and notices.

    Example:
        >>> color_space(None)
        ('sRGB', ())
    """
    if not profile:
        return "sRGB", ()
    description = _description(profile)
    if description is None:
        return "unknown", ("Its colour profile is damaged, so its colours are taken as they are.",)
    return ("sRGB" if description.lower().startswith("srgb") else description), ()


def _description(profile: bytes) -> str | None:
    if profile[36:40] != b"acsp":
        return None
    for entry in range(min(int.from_bytes(profile[128:132], "big"), 100)):
        record = profile[132 + 12 * entry : 144 + 12 * entry]
        if record[:4] == b"desc":
            start, length = int.from_bytes(record[4:8], "big"), int.from_bytes(record[8:12], "big")
            return _text(profile[start : start + length])
    return None


def _text(tag: bytes) -> str | None:
    if tag[:4] == b"desc":  # version 2: a count, then ASCII
        raw = tag[12 : 12 + int.from_bytes(tag[8:12], "big")].split(b"\0")[0].decode("latin-1")
    elif tag[:4] == b"mluc":  # version 4: records of language, length, offset; the first will do
        length, start = int.from_bytes(tag[20:24], "big"), int.from_bytes(tag[24:28], "big")
        raw = tag[start : start + length].decode("utf-16-be", "ignore")
    else:
        return None
    return "".join(c for c in raw if c.isprintable()).strip() or None
