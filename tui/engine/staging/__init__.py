"""Staging: local datasets are sent to a place that the trainer reads them from."""
