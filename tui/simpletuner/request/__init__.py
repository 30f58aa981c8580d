"""The inputs of a prediction, by the version's schema."""
