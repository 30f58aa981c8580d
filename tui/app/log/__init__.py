"""The log view: a large file drawn from disk, searched and filtered."""
