"""What reaches the user of a run when no screen does."""
