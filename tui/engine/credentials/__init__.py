"""Tokens and keys: their sources, who may use them, and the Replicate clients made with them."""
