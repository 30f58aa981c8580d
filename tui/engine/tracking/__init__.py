"""Following predictions, and merging what Replicate reports about them into the jobs' records."""
