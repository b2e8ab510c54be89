"""Records as JSON lines: each exactly as it was frozen, so that `museway verify` accepts the file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def lines(records: Iterable[Mapping[str, Any]], _names: Mapping[str, str] | None = None) -> Iterator[str]:
    """One JSON object a line, its fields in the order in which they are stored.

    Raises ValueError for NaN and infinity, which no record holds and JSON cannot say.
    """
    for record in records:
        yield json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
