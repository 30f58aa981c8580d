"""Tokens and keys: where they come from, who may use them, and the clients made with them."""
