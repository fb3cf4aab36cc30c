"""The cockpit: a client of the engine, drawn with Textual."""
