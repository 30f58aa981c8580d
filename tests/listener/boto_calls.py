"""Calls of boto3's blocking client from a test with a loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


async def call(function: Any, **arguments: Any) -> Any:
    return await asyncio.to_thread(function, **arguments)
