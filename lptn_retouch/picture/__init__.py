"""Upright pixels and what their numbers mean: samples, orientation, size. No file is known here."""
