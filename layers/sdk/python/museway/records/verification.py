"""What the package offers: a list verified, a file with its ledger and manifest, an export of days."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from museway.records.audit import Audit, Totals
from museway.records.bill import check_record
from museway.records.differences import Difference
from museway.records.exports import check_export, check_folder
from museway.records.manifest import MANIFEST_NAME, load
from museway.records.source import Place, Source, shown_place

_ONCE = {"generation_id": "billed once", "record_id": "given once"}


def verify(records: Iterable[object]) -> list[Difference]:
    """Recompute every record; answer each field that differs, in the order of the records.

    Malformed records are reported, not raised. A generation (or record id) that appears a second time is a
    difference of the later record.
    """
    found: list[Difference] = []
    seen: dict[tuple[str, str], int] = {}
    for position, record in enumerate(records, 1):
        content = record if isinstance(record, Mapping) else {}
        findings = check_record(record)
        for name, once in _ONCE.items():
            value = content.get(name)
            if isinstance(value, str) and (first := seen.setdefault((name, value), position)) != position:
                findings.append((name, once, f"{value}, which record {first} has already"))
        generation_id = content.get("generation_id")
        shown_id = generation_id if isinstance(generation_id, str) else None
        found += (Difference(position, shown_id, *finding) for finding in findings)
    return found


def verify_file(
    file: Place, found: Callable[[Difference], None], *, ledger: Place | None = None, manifest: Path | None = None
) -> Totals:
    """Recompute every record of a file in constant memory, and hold them against their ledger and their manifest.

    `file` and `ledger` are JSON lines, or a document `{"items": [...]}` of up to 16 MiB, by path or as a binary
    stream. With a ledger of the same time, each record has one settle of its amount, each settle its record, and no
    more is refunded than was charged; so a refund of an earlier charge is a difference. With a manifest, the files
    that it lists lie beside it and are what they were, its totals are right, and records and entries are of its
    project and day; its own ledger is read unless one is given, and earlier charges may be refunded. Differences
    go to `found` as they come. Raises UnreadableRecords for a file that is no export at all, OSError for one that
    cannot be read.
    """
    with closing(Audit(found)) as audit:
        if manifest is not None:
            check_export(audit, load(audit, manifest, manifest), file, ledger)
        elif ledger is None:
            audit.records(Source(file))
        else:
            records = audit.records(Source(file, shown_place(file), is_paired=True))
            entries = audit.entries(Source(ledger, shown_place(ledger), is_paired=True))
            audit.compare(records, entries, shown_place(ledger))
        return audit.finish()


def verify_export(path: Path, found: Callable[[Difference], None]) -> Totals:
    """Check all that a manifest lists, as `verify_file` does: the records, the ledger, and every other file.

    `path` is a `manifest.json`, a folder with one, or a folder with any number of days below it: then each
    manifest must also name the one before it, and a day that is missing between others is a difference.
    Raises as `verify_file` does.
    """
    with closing(Audit(found)) as audit:
        if path.is_dir():
            check_folder(audit, path)
        else:
            check_export(audit, load(audit, path, Path(MANIFEST_NAME)))
        return audit.finish()


def is_export(path: Path) -> bool:
    """Whether it is for `verify_export`: a folder, or a file named `manifest.json`."""
    return path.name == MANIFEST_NAME or path.is_dir()
