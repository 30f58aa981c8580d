"""The list of jobs, which is the home screen."""
