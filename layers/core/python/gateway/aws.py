"""AWS clients, made on first use and shared by a container. They follow `AWS_ENDPOINT_URL`."""

import re
from collections.abc import Mapping
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


_REGION = re.compile(r"https?://[^/]*?\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.")


def signed(
    service: str, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
) -> dict[str, str] | None:
    """The headers of a request to AWS, signed by the function's own role; None when there are no credentials.

    For what is to be sent by `gateway.transport`. The region is the address's own, or else this process's.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError

    try:
        credentials = _session().get_credentials()
        found = _REGION.match(url)
        region = found[1] if found else _session().get_config_variable("region") or ""
        request = AWSRequest(method, url, dict(headers or {}), content)
        SigV4Auth(credentials and credentials.get_frozen_credentials(), service, region).add_auth(request)
    except BotoCoreError:
        return None
    return dict(request.headers.items())


@cache
def _session() -> Any:
    from botocore.session import get_session

    return get_session()
