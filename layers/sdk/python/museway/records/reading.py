"""JSON objects out of an export, one at a time: lines at any length of the file, or one small document."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO, Final

READ_BYTES_MAX: Final = 16 * 2**20
"""The longest line that is read, and the largest document that goes over several lines."""
_FOREIGN_LINES_MAX: Final = 100
_SKIPPED_BYTES: Final = 2**16


class UnreadableRecords(ValueError):
    """What was given is no export at all; the message says why, `reason` without the file's name."""

    def __init__(self, reason: str, file: str = "") -> None:
        super().__init__(f"{file}: {reason}" if file else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Broken:
    """A line or an item that is not one JSON object; `kind` says which of the two `position` counts, from 1."""

    kind: str
    position: int
    found: str
    begins_like_one: bool = True

    def __str__(self) -> str:
        return f"{self.kind} {self.position} is {self.found}"


def read(text: str) -> list[dict[str, Any]]:
    """Records from an export that fits into memory: one JSON object per line, or a document `{"items": [...]}`.

    Numbers with a fraction are kept as Decimal, for `verify` to report. Raises UnreadableRecords, also for an
    object that names a field twice, since readers would disagree about its value.
    """
    found: list[dict[str, Any]] = []
    for item in objects(io.BytesIO(text.encode("utf-8", "surrogatepass"))):
        if isinstance(item, Broken):
            raise UnreadableRecords(f"{item}.")
        found.append(item)
    return found


def objects(stream: BinaryIO) -> Iterator[dict[str, Any] | Broken]:
    """The objects of an export in their order, in constant memory; what cannot be read comes as Broken.

    Lines that are empty are passed over; a line may also hold a page, `{"items": [...]}`. Raises
    UnreadableRecords for what is no export: no line of it begins like a JSON object.
    """
    items = _objects(stream)
    foreign: list[Broken] = []
    for item in items:
        if not isinstance(item, Broken) or item.begins_like_one:
            yield from foreign
            yield item
            yield from items
            return
        foreign.append(item)
        if len(foreign) == _FOREIGN_LINES_MAX:
            break
    if foreign:
        raise UnreadableRecords(f"{foreign[0]}.")


def count_lines(stream: BinaryIO) -> int:
    """How many lines are not empty."""
    count = 0
    while line := _line(stream):
        count += not line.isspace()
    return count


def count_rows(stream: BinaryIO) -> int:
    """How many rows a CSV has below its head. Raises ValueError for what is none."""
    text = io.TextIOWrapper(stream, "utf-8", newline="")
    try:
        return max(sum(1 for row in csv.reader(text) if row) - 1, 0)
    except csv.Error as error:
        raise ValueError(str(error)) from None
    finally:
        # The stream is not ours to close.
        text.detach()


def parse(text: bytes) -> Any:
    """JSON with exact numbers. Raises ValueError, also for a field that is given twice."""
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        line = f"line {error.lineno} " if error.lineno > 1 else ""
        what = error.msg.removesuffix(" at")
        raise ValueError(f"not JSON: {what} at {line}column {error.colno}") from None
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise ValueError(f"not JSON: {error}") from None


def _objects(stream: BinaryIO) -> Iterator[dict[str, Any] | Broken]:
    number, first = 1, _line(stream).removeprefix(b"\xef\xbb\xbf")
    while first.isspace():
        number, first = number + 1, _line(stream)
    found = _of_line(number, first)
    buffered = b""
    if found and isinstance(found[0], Broken) and found[0].begins_like_one:
        # Either this line is damaged, or a document begins here that goes over several lines.
        buffered = stream.read(READ_BYTES_MAX)
        end = stream.readline(READ_BYTES_MAX)
        document = _document(first, buffered, is_whole=not end)
        if document is not None:
            yield from _of_document(document)
            return
        buffered += end
    yield from found
    for part in (io.BytesIO(buffered), stream):
        while line := _line(part):
            number += 1
            yield from _of_line(number, line)


def _line(stream: BinaryIO) -> bytes:
    """The next line; of one that is too long only so much that this can be seen."""
    line = stream.readline(READ_BYTES_MAX + 1)
    if len(line) > READ_BYTES_MAX and not line.endswith(b"\n"):
        while (more := stream.readline(_SKIPPED_BYTES)) and not more.endswith(b"\n"):
            pass
    return line


def _document(first: bytes, rest: bytes, *, is_whole: bool) -> dict[str, Any] | None:
    """The document that begins with this line; None when these are lines, of which the first is damaged.

    Raises UnreadableRecords for a document that is damaged or too large to be read at once.
    """
    try:
        if is_whole:
            document: dict[str, Any] = parse(first + rest)
            return document
        reason = f"larger than {READ_BYTES_MAX >> 20} MiB; JSON lines are read at any size"
    except ValueError as error:
        reason = str(error)
    # Indentation gives itself away: no object of its own line begins with a name.
    if first.strip() == b"{" and rest.lstrip().startswith(b'"'):
        raise UnreadableRecords(f"the document is {reason}.")
    return None


def _of_line(number: int, line: bytes) -> Sequence[dict[str, Any] | Broken]:
    """What stands on a line: an object, or a page of them; nothing on one that is empty."""
    if not line or line.isspace():
        return ()
    value, found = None, "not a JSON object"
    if len(line) > READ_BYTES_MAX:
        found = f"longer than {READ_BYTES_MAX >> 20} MiB"
    else:
        try:
            value = parse(line.rstrip(b"\r\n"))
        except ValueError as error:
            found = str(error)
    if isinstance(value, dict):
        return _of_document(value)
    return (Broken("line", number, found, line.lstrip().startswith(b"{")),)


def _of_document(document: dict[str, Any]) -> Sequence[dict[str, Any] | Broken]:
    """A page's items, or the one object that it is."""
    items = document.get("items")
    if not isinstance(items, list):
        return (document,)
    return [
        item if isinstance(item, dict) else Broken("item", number, "not a JSON object")
        for number, item in enumerate(items, 1)
    ]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {repeated!r} is given twice")
    return content


_DECODER: Final = json.JSONDecoder(
    parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
)
