"""Making presets, and measuring them."""

INSTALL = 'pip install "lptn-retouch[train]"'  # what brings the libraries that only these need
