"""Sweeps: planned as one, agreed to as one, posted a few at a time."""
