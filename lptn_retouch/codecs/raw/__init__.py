"""Camera RAW."""
