"""An asynchronous client of Replicate's HTTP API. Knows nothing of this program."""
