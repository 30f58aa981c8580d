"""Buckets of S3 servers."""
