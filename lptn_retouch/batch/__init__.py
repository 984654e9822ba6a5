"""A folder of photographs at once: plan, run, journal, report."""
