"""The command that recomputes bills offline: verify."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from museway.cli._output import MICROS_PLACES, money, say, say_json, shifted

if TYPE_CHECKING:
    from museway.records import Difference, Totals

DIFFERENT = 1
UNREADABLE = 2
"""The exit statuses of what is not right, and of what could not be checked at all."""
SHOWN_MAX = 1000


def verify(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="BillingRecords as JSON lines or {items}, - for stdin; or a manifest.json, or a folder of exports.",
        ),
    ],
    ledger: Annotated[
        Path | None,
        typer.Option(metavar="LEDGER", help="The ledger's entries over the same time, as JSON lines or {items}."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="MANIFEST", help="The manifest of the day that the records are of.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Recompute every BillingRecord of an export, offline, and list each field that differs.

    With --ledger, each record must be settled once and at its amount, each settle must have its record, and no
    refund may exceed its charge. With --manifest, the files that it lists must be there, unchanged, and come to
    its totals.

    A FILE named manifest.json, or a folder that has one, is checked with all that it lists. In a folder with
    several days below it, no day may be missing between others either.

    Exits 0 when all is right, 1 when there is a difference, 2 when a file cannot be read at all.
    """
    # Only here: no other command needs them.
    import sqlite3

    from museway.records import UnreadableRecords

    findings = _Findings(is_said=not as_json)
    try:
        totals = _checked(file, ledger, manifest, findings)
    except BrokenPipeError:
        raise
    except (OSError, UnreadableRecords) as error:
        say(f"error: {_reason(error)}", to_stderr=True)
        say("hint:  Write the file with: museway records --jsonl > records.jsonl", to_stderr=True)
        raise typer.Exit(UNREADABLE) from None
    except sqlite3.Error as error:
        say(f"error: what is compared could not be kept in the temporary folder: {error}", to_stderr=True)
        say("hint:  TMPDIR names a folder with more room.", to_stderr=True)
        raise typer.Exit(UNREADABLE) from None
    findings.close()
    if as_json:
        sums = asdict(totals) | {"spent_micros": totals.spent_micros}
        say_json({"verified": not totals.differences, "differences": findings.shown, "totals": sums})
    else:
        say(f"{_summary(totals)}: {_verdict(totals)}")
    if totals.differences:
        raise typer.Exit(DIFFERENT)


class _Findings:
    """Says each difference as it comes, or keeps it for the document; at most SHOWN_MAX of them."""

    def __init__(self, *, is_said: bool) -> None:
        self._is_said = is_said
        self._count = 0
        self.shown: list[dict[str, object]] = []

    def add(self, difference: "Difference") -> None:
        """One more."""
        self._count += 1
        if self._count > SHOWN_MAX:
            return
        if self._is_said:
            say(str(difference), to_stderr=True)
        else:
            self.shown.append(asdict(difference))

    def close(self) -> None:
        """Say how many were not said."""
        if self._is_said and self._count > SHOWN_MAX:
            say(f"... and {self._count - SHOWN_MAX:,} more", to_stderr=True)


def _checked(file: str, ledger: Path | None, manifest: Path | None, findings: _Findings) -> "Totals":
    from museway import records

    path = Path(file)
    if records.is_export(path):
        if ledger or manifest:
            raise typer.BadParameter("An export has its own ledger and manifest: leave --ledger and --manifest out.")
        return records.verify_export(path, findings.add)
    place = sys.stdin.buffer if file == "-" else path
    return records.verify_file(place, findings.add, ledger=ledger, manifest=manifest)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the file'}: {error.strerror or error}"
    return str(error)


def _summary(totals: "Totals") -> str:
    """What was read, and the sums: `3 records, $2.016 (201.6 credits, 2016000 micros); 6 entries, settled ...`."""
    parts = [f"{_count(totals.records, 'record')}, {money(totals.amount_micros)}"]
    if totals.days:
        earlier = " (earlier ones are not here)" if totals.has_earlier_days else ""
        parts.insert(0, f"{_count(totals.days, 'day')}{earlier}")
    if totals.loss_micros:
        parts.append(f"{_dollars(totals.loss_micros)} beyond the holds, not charged")
    if totals.entries is not None:
        entries = "1 entry" if totals.entries == 1 else f"{totals.entries} entries"
        settled, refunded = _dollars(totals.settled_micros), _dollars(totals.refunded_micros)
        if totals.earlier_refunds_micros:
            refunded += f" ({_dollars(totals.earlier_refunds_micros)} of earlier charges)"
        parts.append(f"{entries}, settled {settled}, refunded {refunded}, spent {_dollars(totals.spent_micros)}")
    return "; ".join(parts)


def _verdict(totals: "Totals") -> str:
    if totals.differences:
        return _count(totals.differences, "difference")
    if not (totals.records or totals.entries or totals.days):
        return "there is nothing to check"
    agrees = "" if totals.entries is None else ", and the ledger agrees"
    return f"every figure and digest is right{agrees}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _dollars(micros: int) -> str:
    return f"${shifted(micros, MICROS_PLACES)}"
