"""What every other package may import: pure helpers of the standard library alone."""
