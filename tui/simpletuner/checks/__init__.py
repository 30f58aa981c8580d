"""Checks of a job before it is submitted, estimates of time, price and memory, and diagnosis."""
