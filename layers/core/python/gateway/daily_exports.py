"""What each project's money did on each UTC day, written once: an archive that nobody can quietly change.

    exports/<project>/<yyyy>/<mm>/<dd>/records.jsonl        the day's BillingRecords
                                       records.focus.csv    the same as FOCUS
                                       ledger.jsonl         every movement
                                       manifest.json        sizes, digests, totals, and the digest of the day before

The manifest comes last, so a day that has one is complete; and days are written in their order from the project's
first on, so a day that has one has all before it. A run that dies is healed by the next: a file that is there with the
same bytes is the same file. With other bytes it is a sign of trouble: it stays, and so does the chain, until somebody
has looked. The files are made of the ledger alone, which does not change; names of projects and keys do, so in these
files ids stand for themselves.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway import archive, exports, ids, ledger, listings, tables, telemetry
from gateway.errors import InvalidField

FORMAT = "museway-export-1"
MANIFEST = "manifest.json"
SETTLED_AFTER = timedelta(minutes=10)
"""How long after its end a day is taken for over: what was stamped before midnight is written and listed by then."""
RESERVE_SECONDS = 60.0
"""No day is begun with less time than this; one that takes longer all the same is begun anew by the next run."""
DAYS_MAX = 31
"""Days of a page: each one's manifest is read."""
_DAY = timedelta(days=1)
_JSON_LINES, _FOCUS = exports.FORMATS["jsonl"], exports.FORMATS["focus"]


@dataclass(frozen=True)
class _File:
    name: str
    media_type: str
    spool: archive.Spool
    has_header: bool = False

    def to_dict(self) -> dict[str, Any]:
        lines = self.spool.lines - int(self.has_header)
        return {"name": self.name, "bytes": self.spool.bytes, "lines": lines, "sha256": self.spool.sha256}


class _Differs(Exception):
    """A file of that name is stored with other bytes."""


def run(seconds_left: Callable[[], float]) -> dict[str, int]:
    """Write every day that is over and not written yet, as far as the time goes; the next run goes on.

    Answers `{"written": days, "differing": days whose files are there with other bytes, "failed": projects}`. Raises
    RuntimeError at the end when a project failed, so that somebody looks.
    """
    done: Counter[str] = Counter(written=0, differing=0, failed=0)
    # In another order each time, so that no project with much to write keeps the others waiting for ever.
    projects = list(tables.Project.every())
    random.shuffle(projects)
    for project in projects:
        try:
            for outcome in _catch_up(project, seconds_left):
                done[outcome] += 1
        except Exception:
            # One project's trouble is not the others'; it is raised below.
            telemetry.logger.exception("daily export failed", extra={"project": project.project_id})
            done["failed"] += 1
    telemetry.measure({"DaysExported": done["written"], "ExportsDiffer": done["differing"]})
    if done["failed"]:
        raise RuntimeError(f"the daily exports of {done['failed']} projects failed; the log says why")
    return dict(done)


def days(project_id: str, limit: int, cursor: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    """A page of a project's written days, newest first: their manifests, with URLs of all files for an hour.

    A day belongs to the interval when any moment of it does. Raises InvalidField.
    """
    listings.checked_limit(limit, DAYS_MAX)
    start, end = listings.span(since, until)
    newest = _last_day(ids.now()) if cursor is None else _day_of(cursor)
    asked = [
        day
        for day in _days(_first_day(ledger.project_of(project_id)), newest)
        if _begins(day) < end and start < _begins(day + _DAY)
    ]
    page, rest = asked[::-1][:limit], asked[::-1][limit:]
    return {
        "items": [shown for day in page if (shown := _shown(project_id, day))],
        "next_cursor": rest[0].isoformat() if rest else None,
        "expires_at": ids.timestamp(ids.now() + timedelta(seconds=archive.SIGNED_SECONDS)),
    }


def _catch_up(project: tables.Project, seconds_left: Callable[[], float]) -> Iterator[str]:
    """Write a project's open days, oldest first; tells of each whether it was `written` or is `differing`."""
    open_days, previous = _open_days(project)
    for day in open_days:
        if seconds_left() < RESERVE_SECONDS:
            return
        try:
            with ExitStack() as closing:
                previous = _write(project, day, previous, closing)
        except _Differs as found:
            where = {"project": project.project_id, "day": day.isoformat(), "file": str(found)}
            telemetry.logger.error("a file is stored with other bytes; it stands, and the day stays open", extra=where)
            yield "differing"
            return
        yield "written"


def _open_days(project: tables.Project) -> tuple[list[date], str | None]:
    """The days that have no manifest yet, and the digest of the manifest before them."""
    found: list[date] = []
    for day in reversed(_days(_first_day(project), _last_day(ids.now()))):
        manifest = archive.read(_key(project.project_id, day, MANIFEST))
        if manifest is not None:
            return found[::-1], hashlib.sha256(manifest).hexdigest()
        found.append(day)
    return found[::-1], None


def _write(project: tables.Project, day: date, previous_sha256: str | None, closing: ExitStack) -> str:
    """Write one day and answer its manifest's digest. Raises _Differs when something else is stored there."""
    files, totals = _files(ledger.Account.of(project), (_begins(day), _begins(day + _DAY)), closing)
    for file in files:
        if not archive.keep(_key(project.project_id, day, file.name), file.spool, file.media_type):
            raise _Differs(file.name)
    manifest = {
        "format": FORMAT,
        "project_id": project.project_id,
        "day": day.isoformat(),
        "created_at": ids.timestamp(ids.now()),
        "files": [file.to_dict() for file in files],
        "totals": totals,
        "previous_sha256": previous_sha256,
    }
    spool = closing.enter_context(archive.Spool(json.dumps(manifest, separators=(",", ":")) + "\n"))
    key = _key(project.project_id, day, MANIFEST)
    if archive.keep(key, spool, "application/json"):
        return spool.sha256
    # Another run may have been quicker; its manifest then says the same of another moment.
    stored = archive.read(key) or b"{}"
    if json.loads(stored) | {"created_at": manifest["created_at"]} != manifest:
        raise _Differs(MANIFEST)
    return hashlib.sha256(stored).hexdigest()


def _files(account: ledger.Account, span: tuple[str, str], closing: ExitStack) -> tuple[list[_File], dict[str, int]]:
    """A day's three files on disk, and its totals. Raises RuntimeError when records and settlements disagree."""
    records, focus, movements = (closing.enter_context(archive.Spool()) for _ in range(3))
    totals = Counter(records=0, amount_micros=0, settled_micros=0, refunded_micros=0)
    settlements = 0
    for record in ledger.records(account, span):
        _add(records, _JSON_LINES, [record])
        totals["records"] += 1
        totals["amount_micros"] += record["amount_micros"]
    for entry in ledger.entries(account, span):
        _add(movements, _JSON_LINES, [entry])
        settlements += entry["type"] == "settle"
        totals["settled_micros"] += entry["amount_micros"] if entry["type"] == "settle" else 0
        totals["refunded_micros"] += entry["amount_micros"] if entry["type"] == "refund" else 0
    # Both are written in one transaction with one time; an index that lags this far behind is waited for.
    if (settlements, totals["settled_micros"]) != (totals["records"], totals["amount_micros"]):
        raise RuntimeError(f"{settlements} settlements and {totals['records']} records; the next run looks again")
    _add(focus, _FOCUS, (json.loads(line) for line in records.read_lines()))
    files = [
        _File(f"records.{_JSON_LINES.suffix}", _JSON_LINES.media_type, records),
        _File(f"records.{_FOCUS.suffix}", _FOCUS.media_type, focus, _FOCUS.has_header),
        _File(f"ledger.{_JSON_LINES.suffix}", _JSON_LINES.media_type, movements),
    ]
    return files, dict(totals)


def _add(spool: archive.Spool, chosen: exports.Format, items: Iterable[dict[str, Any]]) -> None:
    for line in chosen.lines(items):
        spool.write(line)


def _shown(project_id: str, day: date) -> dict[str, Any] | None:
    """A written day with URLs of its files, the manifest among them; None for one that is not written yet."""
    raw = archive.read(_key(project_id, day, MANIFEST))
    if raw is None:
        return None
    manifest = json.loads(raw)
    itself = {"name": MANIFEST, "bytes": len(raw), "lines": 1, "sha256": hashlib.sha256(raw).hexdigest()}
    files = [
        file | {"url": archive.signed_url(_key(project_id, day, file["name"]))} for file in [*manifest["files"], itself]
    ]
    return {name: manifest[name] for name in ("day", "created_at", "totals", "previous_sha256")} | {"files": files}


def _key(project_id: str, day: date, name: str) -> str:
    return f"exports/{project_id}/{day:%Y/%m/%d}/{name}"


def _days(first: date, last: date) -> list[date]:
    return [first + number * _DAY for number in range((last - first).days + 1)]


def _first_day(project: tables.Project) -> date:
    return ids.moment(project.created_at).date()


def _last_day(now: datetime) -> date:
    """The newest day that is over."""
    return (now - SETTLED_AFTER).astimezone(UTC).date() - _DAY


def _begins(day: date) -> str:
    """The position in a listing at which a day begins."""
    return ids.timestamp(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _day_of(cursor: str) -> date:
    try:
        return min(date.fromisoformat(cursor), _last_day(ids.now()))
    except ValueError:
        raise InvalidField("'cursor' is not one that this listing gave.", field="cursor") from None
