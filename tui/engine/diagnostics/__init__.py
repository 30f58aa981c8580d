"""Checks of network, keyring, listener and disk; git state; Replicate's status page."""
