"""Copies an object within a bucket, instead of sending its content again."""

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
from tui.destinations.s3.parts import call_with_retries
from tui.destinations.s3.profile import S3Profile
from tui.destinations.s3.reading import head

WHOLE_BYTES: Final = 5 * 1024**3
"""Largest object for a single CopyObject
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html)."""
PART_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Copier:
    """Creates the object of an item from an existing object."""

    client: S3Client
    profile: S3Profile
    item: Item
    meter: Meter

    def copy(self, source: str, etag: str, options: dict[str, Any]) -> bool:
        """Copy `source`, if it still has this ETag, to the item's key, with new options.

        Returns:
            Whether the result has the right size. A server without support for copying may have
            treated the request as a PUT of an empty object.

        Raises:
            PublishError: the server refused, or it was cancelled.
        """
        source_options = {
            "CopySource": {"Bucket": self.profile.bucket, "Key": source},
            "CopySourceIfMatch": f'"{etag}"',
        }
        if self.item.size <= WHOLE_BYTES:
            self._retry(
                lambda: self.client.copy_object(
                    **self._where, **source_options, MetadataDirective="REPLACE", **options
                )
            )
        else:
            self._in_parts(source_options, options)
        head_answer = head(self.client, self.profile, self.item.target)
        return head_answer is not None and int(head_answer["ContentLength"]) == self.item.size

    @property
    def _where(self) -> dict[str, str]:
        return {"Bucket": self.profile.bucket, "Key": self.item.target}

    def _retry(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return call_with_retries(call, self.profile, self.meter)

    def _in_parts(self, source_options: dict[str, Any], options: dict[str, Any]) -> None:
        answer = self._retry(lambda: self.client.create_multipart_upload(**self._where, **options))
        upload = {**self._where, "UploadId": answer["UploadId"]}
        try:
            count = math.ceil(self.item.size / PART_BYTES)
            parts = [self._part(number, upload | source_options) for number in range(1, count + 1)]
            self._retry(
                lambda: self.client.complete_multipart_upload(
                    **upload, MultipartUpload={"Parts": parts}
                )
            )
        except (PublishError, KeyError):
            with contextlib.suppress(Exception):  # the cause of the failure may affect this too
                self.client.abort_multipart_upload(**upload)
            raise

    def _part(self, number: int, values: dict[str, Any]) -> dict[str, Any]:
        first = (number - 1) * PART_BYTES
        last = min(self.item.size, first + PART_BYTES) - 1
        answer = self._retry(
            lambda: self.client.upload_part_copy(
                **values, PartNumber=number, CopySourceRange=f"bytes={first}-{last}"
            )
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}
