"""Files to pixels and back: a room a container, and what they share."""
