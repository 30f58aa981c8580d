"""The storage receiver: delivered files as JSON for the user, and S3's operations for trainers.

S3's own requests and answers are XML and raw bytes, whose shapes are Amazon's; here stand the
parameters that choose an operation.
"""

from __future__ import annotations

from tui.api.base import Timestamp, TypedDict


class StoredBucket(TypedDict):
    """The bucket that jobs deliver to.

    Attributes:
        Name: `outputs`.
        Size: bytes of all files.
        FileCount: how many.
        LastModified: of the newest one; null without any.
    """

    Name: str
    Size: int
    FileCount: int
    LastModified: Timestamp | None


class StoredBuckets(TypedDict):
    """All buckets: one. `total_size` is in bytes."""

    Buckets: list[StoredBucket]
    total_size: int


class StoredObject(TypedDict):
    """A delivered file: its name below the outputs folder, its bytes, when it was changed."""

    Key: str
    Size: int
    LastModified: Timestamp


class StoredObjects(TypedDict):
    """Files of a bucket, by name."""

    Contents: list[StoredObject]
    Name: str


class PrefixQuery(TypedDict, total=False):
    """Only files whose names begin with this."""

    prefix: str


_ListObjects = TypedDict(
    "_ListObjects",
    {
        "list-type": str,
        "prefix": str,
        "delimiter": str,
        "max-keys": str,
        "marker": str,
        "start-after": str,
        "continuation-token": str,
        "encoding-type": str,
        "fetch-owner": str,
    },
    total=False,
)


class S3ListQuery(_ListObjects, total=False):
    """Parameters of S3's lists; `uploads`, `location` and `versioning` choose another answer."""

    uploads: str
    location: str
    versioning: str


class S3DeleteQuery(TypedDict):
    """Chooses S3's `DeleteObjects`."""

    delete: str


_UploadId = TypedDict("_UploadId", {"uploadId": str}, total=False)
_PartNumber = TypedDict("_PartNumber", {"partNumber": str}, total=False)


class S3GetQuery(_UploadId, total=False):
    """With `uploadId`, an upload's parts are listed instead of the object read."""


class S3PutQuery(_UploadId, _PartNumber, total=False):
    """With `uploadId` and `partNumber`, a part of an upload is put instead of a whole object."""


class S3PostQuery(_UploadId, total=False):
    """`uploads` begins an upload, `uploadId` completes one."""

    uploads: str


class S3DeleteObjectQuery(_UploadId, total=False):
    """With `uploadId`, the upload is aborted instead of an object deleted."""
