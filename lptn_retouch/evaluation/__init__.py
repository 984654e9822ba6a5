"""Measuring a preset: on pairs, towards a style, what it leaves alone, its halos; and sheets to look at."""
