"""Bills recomputed offline: each BillingRecord from its own frozen lines, with no network and no catalog.

    from museway import records

    differences = records.verify(records.read(Path("records.jsonl").read_text()))

An empty list means that every line amount, sum, margin, fee, loss, conversion and digest is what the record's rates
and quantities say, and that no generation is billed twice. All arithmetic is exact; floats are not accepted.

What is larger than a list is read as a stream, in constant memory, together with the ledger that paid for it:

    totals = records.verify_file(Path("records.jsonl"), print, ledger=Path("ledger.jsonl"))
    totals = records.verify_export(Path("exports/prj_1"), print)

Each difference is handed on as it is found; `totals.differences` counts them.

Reading order: `verification` (what is offered), `bill` (one record), `entry` (one ledger entry), `shapes` (what is
well formed), `reading` (objects out of files), `books` (what records and entries say of the same names), `audit`
(files of them), `manifest`, `exports` (days of files); `differences`, `source`. Nothing is shared with the gateway.
"""

from museway.records.audit import Totals
from museway.records.differences import Difference
from museway.records.reading import UnreadableRecords, read
from museway.records.verification import is_export, verify, verify_export, verify_file

__all__ = [
    "Difference",
    "Totals",
    "UnreadableRecords",
    "is_export",
    "read",
    "verify",
    "verify_export",
    "verify_file",
]
