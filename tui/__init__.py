"""SimpleTuner training jobs on Replicate, from a terminal."""

__version__ = "0.1.0"
