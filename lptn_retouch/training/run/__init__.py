"""One training run: its config, what learns in it, its folder, its result."""
