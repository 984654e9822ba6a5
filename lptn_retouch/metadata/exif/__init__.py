"""EXIF."""
