"""The shapes of the HTTP API, held against what the engine really answers."""
