"""DynamoDB as far as a submit needs it, at botocore's last step before the network."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from gateway import tables


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class Wire:
    """Keeps the items that are put, gives them back, and counts every request to whatever service of AWS."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        """Requests by operation; reads by table and the kind of key, as in `GetItem catalog HEAD`."""
        self._items: dict[tuple[str, str, str], dict[str, Any]] = {}

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """The answer to a signed request."""
        operation = str(request.headers["X-Amz-Target"], "ascii").rpartition(".")[2]
        asked = json.loads(request.body)
        body = json.dumps(getattr(self, f"_{operation}")(asked)).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0"}
        return AWSResponse(request.url, 200, headers, _Raw(body))

    def _GetItem(self, asked: dict[str, Any]) -> dict[str, Any]:
        kind = asked["Key"]["pk"]["S"].partition("#")[0]
        self.calls[f"GetItem {asked['TableName']} {kind}"] += 1
        found = self._items.get(_place(asked["TableName"], asked["Key"]))
        return {} if found is None else {"Item": found}

    def _PutItem(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.calls[f"PutItem {asked['TableName']}"] += 1
        self._keep(asked)
        return {}

    def _TransactWriteItems(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.calls["TransactWriteItems"] += 1
        for action in asked["TransactItems"]:
            if "Put" in action:
                self._keep(action["Put"])
        return {}

    def _keep(self, put: dict[str, Any]) -> None:
        self._items[_place(put["TableName"], put["Item"])] = put["Item"]


def _place(table: str, keys: dict[str, Any]) -> tuple[str, str, str]:
    return table, keys["pk"]["S"], keys["sk"]["S"]


@contextmanager
def instead_of_aws() -> Iterator[Wire]:
    """Answer every AWS client of this process, and leave none behind. An operation that is not known here fails."""
    wire, real = Wire(), URLLib3Session.send
    URLLib3Session.send = lambda _session, request: wire.send(request)
    try:
        yield wire
    finally:
        URLLib3Session.send = real
        tables.connection.cache_clear()
