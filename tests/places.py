"""Where things lie that tests use: the checkout, its samples, and the real photographs beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "samples"
LAKE = SAMPLES / "lake-sherburne.jpg"
SHARED = ROOT.parent / "shared"
"""Photographs and weights that are too large for the checkout; the fixture `shared` skips where they are not."""
