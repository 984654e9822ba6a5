"""The version, which results and journals name."""

__version__ = "0.1.0"
