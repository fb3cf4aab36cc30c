"""Live sources, series, windows and gates."""
