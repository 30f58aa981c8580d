"""Attacks with fixed seeds and counts; `python -m tests attacks` runs all of them."""
