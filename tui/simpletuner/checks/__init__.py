"""What a configuration costs, needs and gets wrong, and why a run failed."""
