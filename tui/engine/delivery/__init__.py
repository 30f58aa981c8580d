"""Delivery of a job's results: chosen and checked before the submit, confirmed after the end."""
