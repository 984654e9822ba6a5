"""Who says how a picture is to look: a colour transport, a grade set by hand, a table."""
