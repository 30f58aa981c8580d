"""Destinations that files are published to: the Hub, S3 buckets and folders."""
