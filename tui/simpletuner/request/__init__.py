"""The inputs of a prediction, built for one version of the trainer, and its hardware."""
