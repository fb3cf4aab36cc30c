"""The engine: the process that owns a run. Everything else is a client of it."""
