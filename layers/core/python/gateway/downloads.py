"""Records that leave on request, in one of the formats: inside the answer while they fit, else as a file to fetch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway import archive, exports, ids, ledger, listings, tables
from gateway.errors import InvalidField

INLINE_BYTES_MAX = 4_500_000
"""What an answer can hold: Lambda's may have 6 MB, and bytes stand in it as base64, a third longer."""


@dataclass(frozen=True)
class Download:
    """Records on their way to a caller: `content`, or `stored` when that would not fit an answer."""

    filename: str
    media_type: str
    content: bytes | None
    stored: Mapping[str, Any] | None


class DisplayNames(Mapping[str, str]):
    """The names of one project and its keys by their ids; each is looked up when it is first asked for."""

    def __init__(self, project: tables.Project) -> None:
        self._known = {project.project_id: project.name}
        self._project_id = project.project_id

    def __getitem__(self, id_: str) -> str:
        if id_ not in self._known:
            key = tables.ApiKey.find(id_)
            self._known[id_] = key.name if key is not None and key.project_id == self._project_id else ""
        return self._known[id_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def records(project_id: str, format_name: str, since: str | None, until: str | None) -> Download:
    """A project's BillingRecords, oldest first, in a format of `exports.FORMATS`.

    Raises InvalidField, and TooManyRecords for more than one request can write.
    """
    if format_name not in exports.FORMATS:
        message = f"There is no format '{format_name[:40]}'."
        raise InvalidField(message, field="format", allowed=list(exports.FORMATS))
    chosen, span, project = exports.FORMATS[format_name], listings.span(since, until), ledger.project_of(project_id)
    count = _Count()
    found = ledger.bounded(ledger.records(ledger.Account.of(project), span))
    with archive.Spool() as spool:
        for line in chosen.lines(count.through(found), DisplayNames(project)):
            spool.write(line)
        filename = f"records.{chosen.suffix}"
        if spool.bytes <= INLINE_BYTES_MAX:
            return Download(filename, chosen.media_type, spool.content(), None)
        stored = _stored(project_id, filename, chosen.media_type, spool) | {"records": count.records}
        return Download(filename, chosen.media_type, None, stored)


@dataclass
class _Count:
    """How many records went by: a format may write several lines for each."""

    records: int = 0

    def through(self, found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for record in found:
            self.records += 1
            yield record


def _stored(project_id: str, filename: str, media_type: str, spool: archive.Spool) -> dict[str, Any]:
    key = f"downloads/{project_id}/{ids.fresh('export')}/{filename}"
    archive.put(key, spool, media_type)
    expires_at = ids.now() + timedelta(seconds=archive.SIGNED_SECONDS)
    return {
        "url": archive.signed_url(key),
        "expires_at": ids.timestamp(expires_at),
        "bytes": spool.bytes,
        "sha256": spool.sha256,
    }
