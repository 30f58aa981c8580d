"""S3 buckets as destinations.

boto3 makes the requests. Transfers are our own and not `s3transfer`'s, because that cannot resume
an upload after a restart: it keeps the upload id and the parts in memory.
"""
