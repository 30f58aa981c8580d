"""The storage receiver: an S3-compatible endpoint that a training job delivers its files to.

The trainer's last step is a `boto3` upload to whatever endpoint its inputs name. This package is
that endpoint. It speaks as much of the S3 protocol as real clients use to deliver files and to look
at what they delivered, and a file appears under the outputs root only when it is complete and
checked.
"""

from __future__ import annotations

from tui.listener.storage.grants import (
    DiskSpace,
    KeyResolver,
    ReceivedObject,
    RefusedObject,
    StorageGrant,
    StorageLimits,
)
from tui.listener.storage.receiver import STORAGE_PATH, StorageReceiver

__all__ = [
    "STORAGE_PATH",
    "DiskSpace",
    "KeyResolver",
    "ReceivedObject",
    "RefusedObject",
    "StorageGrant",
    "StorageLimits",
    "StorageReceiver",
]
