"""What the Publishing screen knows and does, apart from its widgets."""
