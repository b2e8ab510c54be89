"""Exports checked: the files that a manifest lists, what is in them, its totals, and the chain of days.

Each manifest names the SHA-256 of the one before it, so whoever keeps the newest can tell a change of any byte of
any day.
"""

import hashlib
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from museway.records.audit import Audit, Scope, Sums
from museway.records.manifest import MANIFEST_NAME, Manifest, check_succession, load
from museway.records.reading import UnreadableRecords, count_lines, count_rows
from museway.records.source import Place, Source, shown_place

RECORDS_NAME: Final = "records.jsonl"
LEDGER_NAME: Final = "ledger.jsonl"


def check_folder(audit: Audit, folder: Path) -> None:
    """Check the export in a folder, or every one below it and that none between them is missing.

    Raises UnreadableRecords when there is none, OSError for a file that cannot be read.
    """
    if (folder / MANIFEST_NAME).is_file():
        check_export(audit, load(audit, folder / MANIFEST_NAME, Path(MANIFEST_NAME)))
        return
    paths = [path for path in sorted(folder.rglob(MANIFEST_NAME)) if path.is_file()]
    if not paths:
        raise UnreadableRecords(f"there is no {MANIFEST_NAME} in it or below it.", str(folder))
    manifests = [load(audit, path, path.relative_to(folder)) for path in paths]
    manifests.sort(key=lambda manifest: (_project(manifest), manifest.values.get("day", "")))
    for _, days in groupby(manifests, key=_project):
        former: Manifest | None = None
        is_whole = False
        for manifest in days:
            if former is None:
                is_whole = _begins(audit, manifest)
            else:
                is_whole = check_succession(audit, former, manifest) and is_whole
            check_export(audit, manifest, is_whole=is_whole)
            former = manifest


def check_export(
    audit: Audit,
    manifest: Manifest,
    records: Place | None = None,
    ledger: Place | None = None,
    *,
    is_whole: bool | None = None,
) -> None:
    """Check the files that a manifest lists, the records and entries in them, and its totals.

    `records` and `ledger` are read instead of those beside the manifest. `is_whole` says whether all days before
    it are read too; left out, it is when there are none. Raises UnreadableRecords for a given file that is no
    export, OSError for a file that cannot be read.
    """
    for listed in manifest.files:
        _check_listed(audit, manifest, listed)
    if "files" in manifest.values:
        for name in sorted({RECORDS_NAME, LEDGER_NAME}.difference(listed["name"] for listed in manifest.files)):
            audit.report_file(manifest.file, "files", f"a list with {name}", "one without")
    given = {RECORDS_NAME: records, LEDGER_NAME: ledger}
    sources = _sources(manifest, given, is_whole=_begins(audit, manifest) if is_whole is None else is_whole)
    scope = Scope(manifest.values.get("project_id"), manifest.values.get("day"))
    sums: dict[str, Sums] = {}
    for name, source in sources.items():
        try:
            sums[name] = (audit.records if name == RECORDS_NAME else audit.entries)(source, scope)
        except UnreadableRecords as error:
            if given[name] is not None:
                raise
            audit.report_file(source.file, "", "JSON lines", f"no export: {error.reason}")
    _check_totals(audit, manifest, sums.get(RECORDS_NAME), sums.get(LEDGER_NAME))
    if len(sums) == len(given):
        audit.compare(sums[RECORDS_NAME], sums[LEDGER_NAME], sources[LEDGER_NAME].file)
    audit.totals.days += 1


def _check_listed(audit: Audit, manifest: Manifest, listed: dict[str, Any]) -> None:
    """One file of a manifest: there, and to the byte what it was."""
    path, file = manifest.folder / listed["name"], manifest.shown(listed["name"])
    if not path.is_file():
        audit.report_file(file, "", "beside its manifest", "missing")
        return
    with path.open("rb") as stream:
        found: dict[str, Any] = {"sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
        found["bytes"] = stream.tell()
        stream.seek(0)
        try:
            found["lines"] = count_rows(stream) if path.suffix == ".csv" else count_lines(stream)
        except ValueError as error:
            found["lines"] = f"no CSV: {error}"
    for name in ("bytes", "lines", "sha256"):
        if name in listed and listed[name] != found[name]:
            audit.report_file(file, name, f"{listed[name]}, as its manifest says", str(found[name]))


def _sources(manifest: Manifest, given: Mapping[str, Place | None], *, is_whole: bool) -> dict[str, Source]:
    """The records and the ledger that are to be read; those not given and not beside the manifest are left out."""
    places: dict[str, tuple[Place, str]] = {}
    for name, place in given.items():
        if place is not None:
            places[name] = place, shown_place(place)
        elif (manifest.folder / name).is_file():
            places[name] = manifest.folder / name, manifest.shown(name)
    is_paired = len(places) == len(given)
    return {name: Source(place, file, is_paired, is_whole) for name, (place, file) in places.items()}


def _check_totals(audit: Audit, manifest: Manifest, records: Sums | None, ledger: Sums | None) -> None:
    """What the manifest says that the day comes to, so far as its files could be read."""
    found: dict[str, int] = {}
    if records is not None:
        found |= {"records": records.items, "amount_micros": records.amount_micros}
    if ledger is not None:
        found |= {"settled_micros": ledger.settled_micros, "refunded_micros": ledger.refunded_micros}
    for name, figure in found.items():
        if name in manifest.totals and manifest.totals[name] != figure:
            audit.report_file(manifest.file, f"totals.{name}", str(figure), str(manifest.totals[name]))


def _begins(audit: Audit, manifest: Manifest) -> bool:
    """Whether nothing was exported before the first manifest that is read; if something was, that is noted."""
    audit.totals.has_earlier_days |= not manifest.is_first
    return manifest.is_first


def _project(manifest: Manifest) -> str:
    return str(manifest.values.get("project_id", ""))
