"""Looks that travel: colour look-up tables in and out of files, and fitted to what a preset does to a photograph."""
