"""One manifest, read: a project's files of one UTC day, what they come to, and the manifest before it."""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from museway.records.audit import Audit
from museway.records.differences import Findings, shown
from museway.records.reading import parse
from museway.records.shapes import LISTED_FILE, MANIFEST, TOTALS, read_fields

MANIFEST_NAME: Final = "manifest.json"
_BYTES_MAX: Final = 2**20


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's well-formed values; what is malformed was reported, and is missing in them."""

    folder: Path
    shown_folder: Path
    file: str
    sha256: str
    values: dict[str, Any]
    files: list[dict[str, Any]]
    totals: dict[str, Any]

    @property
    def is_first(self) -> bool:
        """Whether it says that no day was exported before it."""
        return "previous_sha256" in self.values and self.values["previous_sha256"] is None

    def shown(self, name: str) -> str:
        """A file beside it, as people are told of it."""
        return (self.shown_folder / name).as_posix()


def load(audit: Audit, path: Path, shown_path: Path) -> Manifest:
    """Read a manifest and report what is malformed in it. Raises OSError for one that cannot be read."""
    with path.open("rb") as stream:
        content = stream.read(_BYTES_MAX + 1)
    findings = Findings()
    values, files, totals = _read(content, findings)
    file = shown_path.as_posix()
    for finding in findings.items:
        audit.report_file(file, *finding)
    sha256 = hashlib.sha256(content).hexdigest()
    return Manifest(path.parent, shown_path.parent, file, sha256, values, files, totals)


def check_succession(audit: Audit, former: Manifest, later: Manifest) -> bool:
    """Report when a manifest does not follow the one of its project that comes before it; answer whether it does."""
    if "day" not in former.values or "previous_sha256" not in later.values:
        return False
    days = [date.fromisoformat(manifest.values["day"]) for manifest in (former, later)]
    if days[0] == days[1]:
        audit.report_file(later.file, "day", "given once", f"{days[1]}, which {former.file} has already")
        return False
    if later.values["previous_sha256"] == former.sha256:
        return True
    expected = f"{former.sha256}, that of {former.file}"
    if (last := days[1] - timedelta(days=1)) > days[0]:
        first = days[0] + timedelta(days=1)
        gap = f"{first} is" if first == last else f"{first} to {last} are"
        expected = f"that of a day which is not here: {gap} missing"
    audit.report_file(later.file, "previous_sha256", expected, shown(later.values["previous_sha256"]))
    return False


def _read(content: bytes, findings: Findings) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    try:
        document = parse(content)
    except ValueError as error:
        findings.add("", "a JSON object", str(error))
        return {}, [], {}
    if not isinstance(document, dict):
        findings.add("", "a JSON object", shown(document))
        return {}, [], {}
    values = read_fields(document, MANIFEST, "", findings)
    files: list[dict[str, Any]] = []
    for number, item in enumerate(values.get("files") or []):
        if not isinstance(item, dict):
            findings.add(f"files[{number}]", "an object", shown(item))
            continue
        listed = read_fields(item, LISTED_FILE, f"files[{number}].", findings)
        if listed.get("name") in [file["name"] for file in files]:
            findings.add(f"files[{number}].name", "given once", listed["name"])
        elif "name" in listed:
            files.append(listed)
    totals = read_fields(values["totals"], TOTALS, "totals.", findings) if "totals" in values else {}
    return values, files, totals
