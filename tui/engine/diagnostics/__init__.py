"""Checks of network, terminal and account, and the status page of Replicate."""
