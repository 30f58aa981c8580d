"""A simulation of the outside services: Replicate's API, a trainer, the Hub, and demo data."""
