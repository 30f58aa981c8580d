"""The storage receiver: an S3-compatible endpoint that a training job delivers its files to.

The trainer's last step is a `boto3` upload to the endpoint in its inputs. This package is that
endpoint. It implements the part of the S3 protocol that clients use to upload files and to look at
what they uploaded. A file appears under the outputs root only when it is complete and verified.

No library does this: moto's server keeps objects in memory and checks no signatures, and MinIO or
Garage are separate programs with accounts and configuration of their own, which a user would have
to install and expose. The receiver runs inside the engine's aiohttp server, gives every job a key
pair of its own, and writes plain files. A 1 GiB upload reaches 0.96 to 0.98 of the throughput of a
bare aiohttp upload (tests/benchmarks).
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
