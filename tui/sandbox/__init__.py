"""A stand-in for the outside world: Replicate's API, a trainer, and demo data."""
