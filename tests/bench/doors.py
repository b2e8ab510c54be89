"""The real handlers, called as API Gateway calls them."""

import importlib
import itertools
from collections.abc import Mapping

from gateway import auth, tables

PROJECT = "bench"
_PRINCIPAL = auth.Principal(PROJECT, "key", frozenset(auth.DEFAULT_SCOPES))
numbers = itertools.count()
"""What tells one request from the next."""


def called(function: str, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = {}) -> str:
    """The body of a function's answer. Raises RuntimeError when it is no success."""
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": dict(headers),
        "body": body,
        "isBase64Encoded": False,
        "requestContext": {
            "http": {"method": method, "path": path},
            "stage": "$default",
            "requestId": f"req-{next(numbers)}",
            "domainName": "museway.test",
            "authorizer": {"lambda": auth.to_context(_PRINCIPAL)},
        },
    }
    answer = importlib.import_module(f"functions.{function}.handler").handler(event, None)
    if answer["statusCode"] not in {200, 202}:
        raise RuntimeError(f"{method} {path}: {answer['body']}")
    return str(answer["body"])


def published() -> tuple[str, list[str]]:
    """The version of the catalog that is current, and its chunks."""
    head = tables.CatalogHead.find()
    if head is None:
        raise RuntimeError("no catalog is published")
    return str(head.version), tables.CatalogChunk.all_of(str(head.version), int(head.chunk_count))
