"""AWS clients, made on first use and shared by a container. They follow `AWS_ENDPOINT_URL`."""

from functools import cache
from typing import Any


@cache
def client(service: str) -> Any:
    """The boto3 client of a service. Imported late: a function that never asks never pays for boto3."""
    import boto3
    from botocore.config import Config

    # Retries of botocore are safe here: every write is conditional or idempotent by name.
    options: dict[str, Any] = {"retries": {"mode": "standard", "max_attempts": 4}, "connect_timeout": 3}
    if service == "s3":
        options |= {"s3": {"addressing_style": "path"}, "signature_version": "s3v4"}
    return boto3.client(service, config=Config(**options))
