"""The deployment's event bus: what others are told."""

import json
from collections.abc import Mapping
from typing import Any

from gateway import aws
from gateway.config import settings

SOURCE = "museway"


def put(detail_type: str, detail: Mapping[str, Any]) -> None:
    """Put one event on the bus. Its `id` is the same whenever it is put again, so that consumers can tell.

    Raises RuntimeError when the bus refused it.
    """
    entry = {
        "Source": SOURCE,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "EventBusName": settings().event_bus,
    }
    answer = aws.client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"the bus refused an event: {answer['Entries'][0].get('ErrorCode')}")
