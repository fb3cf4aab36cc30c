"""The engine that owns a run, its client and the command line. Plugins import from here."""
