"""Fetching the results of jobs: where they are, how they are downloaded and verified."""
