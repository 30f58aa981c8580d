"""Secrets in the system's keyring, reached through a helper process."""
