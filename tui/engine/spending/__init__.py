"""Costs, limits and the watch over them."""
