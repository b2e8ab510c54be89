"""JSON that takes little room: a write costs by the kilobyte, and prompts and quotes are mostly words."""

import json
import zlib
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.constants import BINARY


class PackedJSONAttribute(Attribute[Any]):
    """A JSON value, compressed; about half of its text. `unpacked` reads what a raw item holds."""

    attr_type = BINARY

    def serialize(self, value: Any) -> bytes:
        """As it is stored."""
        return zlib.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())

    def deserialize(self, value: Any) -> Any:
        """The value that was stored."""
        return unpacked(value)


def unpacked(stored: bytes) -> Any:
    """The value of a stored attribute."""
    return json.loads(zlib.decompress(stored))
