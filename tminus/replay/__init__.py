"""A run of the past in the cockpit: its record gives what was done and decided, its history what was measured."""
