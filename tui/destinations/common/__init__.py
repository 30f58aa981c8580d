"""What all destinations share: the interface, errors, meters, and readers of weights."""
