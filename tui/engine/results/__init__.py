"""Bringing here what jobs produced elsewhere: where it is, and how it is fetched."""
