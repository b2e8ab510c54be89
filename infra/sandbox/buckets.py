"""S3, into which a provider writes that delivers to its customer's own bucket. The sandbox itself has no buckets."""

from __future__ import annotations

from collections.abc import Callable

import boto3
from botocore.config import Config

PutObject = Callable[[str, str, bytes, str], object]
"""Writes an object: bucket, key, content, media type. It blocks, and is called from threads of the sandbox."""


def at(endpoint_url: str) -> PutObject:
    """The S3 of an emulator, with credentials that are good there alone."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )

    def put(bucket: str, key: str, content: bytes, media_type: str) -> None:
        client.put_object(Bucket=bucket, Key=key, Body=content, ContentType=media_type)

    return put


def nowhere(bucket: str, key: str, _content: bytes, _media_type: str) -> None:
    """There is none. Raises LookupError."""
    raise LookupError(f"the sandbox knows no S3 to put s3://{bucket}/{key} into (--s3-endpoint)")
