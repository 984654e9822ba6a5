"""What the user is told where a look does not act on a picture as it was asked to."""

from __future__ import annotations

from lptn_retouch.errors import shown

_WHOLE = 95  # % of a look, from which on nobody misses the rest


def left_alone(preset: str, share: float) -> tuple[str, ...]:
    """A sentence where a picture got its look in part, or not at all.

    Args:
        preset: its name.
        share: of the look that the picture got, 0 to 1.

    Example:
        >>> left_alone("winter", 0.3)
        ('The preset winter acts at 30 % here, in doubt whether its look is meant for such a picture.',)
        >>> left_alone("winter", 1.0)
        ()
    """
    if share == 0:
        return (f"The preset {shown(preset)} left this picture alone: its look is not for it, or is there already.",)
    percent = max(1, round(100 * share))
    if percent >= _WHOLE:
        return ()
    return (
        f"The preset {shown(preset)} acts at {percent} % here, in doubt whether its look is meant for such a picture.",
    )


def kept_grey(preset: str) -> str:
    """The sentence for colours that a picture of one channel got, and cannot keep."""
    return f"The preset {shown(preset)} gave this black-and-white picture colours, of which only the light was kept."
