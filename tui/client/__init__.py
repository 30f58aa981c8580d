"""The typed client of the engine's HTTP API, and the start of the engine's process."""
