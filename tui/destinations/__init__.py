"""Destinations for finished files, one module each."""
