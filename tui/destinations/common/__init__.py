"""Shared by all destinations: the protocol, errors, transfer helpers, the safetensors reader."""
