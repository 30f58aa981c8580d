"""Letting the server copy an object that it has already, instead of sending its content again."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tui.destinations.common.contract import Item
from tui.destinations.common.errors import PublishError
from tui.destinations.common.meter import Meter
from tui.destinations.s3.client import S3Client
from tui.destinations.s3.parts import insist
from tui.destinations.s3.profile import S3Profile
from tui.destinations.s3.reading import head

WHOLE_BYTES: Final = 5 * 1024**3
"""What one CopyObject may copy
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html)."""
PART_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Copier:
    """Makes one item's object from one that is there."""

    client: S3Client
    profile: S3Profile
    item: Item
    meter: Meter

    def copy(self, source: str, etag: str, options: dict[str, Any]) -> bool:
        """Copy `source`, while it has this ETag, to the item's key, with options of its own.

        Returns:
            Whether an object of the right size is there then. A server that does not know copying
            may have taken the request for one that puts an empty object.

        Raises:
            PublishError: the server refused, or it was stopped.
        """
        whence = {
            "CopySource": {"Bucket": self.profile.bucket, "Key": source},
            "CopySourceIfMatch": f'"{etag}"',
        }
        if self.item.size <= WHOLE_BYTES:
            self._insist(
                lambda: self.client.copy_object(
                    **self._where, **whence, MetadataDirective="REPLACE", **options
                )
            )
        else:
            self._in_parts(whence, options)
        found = head(self.client, self.profile, self.item.target)
        return found is not None and int(found["ContentLength"]) == self.item.size

    @property
    def _where(self) -> dict[str, str]:
        return {"Bucket": self.profile.bucket, "Key": self.item.target}

    def _insist(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return insist(call, self.profile, self.meter)

    def _in_parts(self, whence: dict[str, Any], options: dict[str, Any]) -> None:
        begun = self._insist(lambda: self.client.create_multipart_upload(**self._where, **options))
        upload = {**self._where, "UploadId": begun["UploadId"]}
        try:
            count = math.ceil(self.item.size / PART_BYTES)
            parts = [self._part(number, upload | whence) for number in range(1, count + 1)]
            self._insist(
                lambda: self.client.complete_multipart_upload(
                    **upload, MultipartUpload={"Parts": parts}
                )
            )
        except (PublishError, KeyError):
            with contextlib.suppress(Exception):  # what ailed the copy may ail this too
                self.client.abort_multipart_upload(**upload)
            raise

    def _part(self, number: int, values: dict[str, Any]) -> dict[str, Any]:
        first = (number - 1) * PART_BYTES
        last = min(self.item.size, first + PART_BYTES) - 1
        told = self._insist(
            lambda: self.client.upload_part_copy(
                **values, PartNumber=number, CopySourceRange=f"bytes={first}-{last}"
            )
        )
        return {"PartNumber": number, "ETag": told["CopyPartResult"]["ETag"]}
