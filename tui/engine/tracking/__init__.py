"""What is learned about a job, joined into its record."""
