"""The terminal application: everything that imports textual."""
