"""The promises about money and jobs, checked on the raw tables. One module for every suite.

`violations` reads the tables as they are, through any DynamoDB client, and answers what does not hold, in
words. `at_rest=True` adds what must hold once nothing is under way any more.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from museway.records import verify

FINAL = {"completed", "failed"}
_deserializer = TypeDeserializer()


def violations(client: Any, jobs_table: str, ledger_table: str, *, at_rest: bool = False) -> list[str]:
    """Everything that is not as promised; empty when all holds."""
    jobs, ledger = list(_items(client, jobs_table)), list(_items(client, ledger_table))
    generations = {item["generation_id"]: item for item in jobs if item["sk"] == "GENERATION"}
    attempts = [item for item in jobs if item["sk"].startswith("ATTEMPT#")]
    holds = {item["generation_id"]: item for item in ledger if item["sk"] == "HOLD"}
    entries = [item for item in ledger if item["sk"] == "ENTRY"]
    records = {
        item["pk"].removeprefix("RECORD#"): json.loads(item["body"]) for item in ledger if item["sk"] == "RECORD"
    }
    balances = {item["pk"].split("#")[1]: item for item in ledger if item["sk"] == "BALANCE"}
    return [
        *_conservation(balances, entries, holds, records),
        *_holds_resolve_once(generations, holds, entries),
        *_one_record_per_delivery(generations, records, holds),
        *_attempts(generations, attempts),
        *(f"record {r['record_id']}: {d}" for r in records.values() for d in verify([r])),
        *(_nothing_left(generations, holds) if at_rest else []),
    ]


def _conservation(
    balances: Mapping[str, Any], entries: list[Any], holds: Mapping[str, Any], records: Mapping[str, Any]
) -> Iterator[str]:
    granted, held, spent = defaultdict(int), defaultdict(int), defaultdict(int)
    for entry in entries:
        granted[entry["project_id"]] += int(entry["amount_micros"]) if entry["type"] == "grant" else 0
    for hold in holds.values():
        held[hold["project_id"]] += int(hold["amount_micros"]) if hold["status"] == "open" else 0
    for record in records.values():
        spent[record["project_id"]] += record["amount_micros"]
    for project, balance in balances.items():
        b = {name: int(balance[f"{name}_micros"]) for name in ("granted", "available", "held", "spent")}
        if b["granted"] != b["available"] + b["held"] + b["spent"]:
            yield f"{project}: granted is not available + held + spent: {b}"
        if min(b.values()) < 0:
            yield f"{project}: a negative amount: {b}"
        for name, total in (("granted", granted), ("held", held), ("spent", spent)):
            if b[name] != total[project]:
                yield f"{project}: {name} is {b[name]}, its items come to {total[project]}"


def _holds_resolve_once(generations: Mapping[str, Any], holds: Mapping[str, Any], entries: list[Any]) -> Iterator[str]:
    moves = defaultdict(list)
    for entry in entries:
        if entry.get("generation_id"):
            moves[entry["generation_id"]].append(entry)
    for generation_id in {*generations, *holds, *moves}:
        generation, hold = generations.get(generation_id), holds.get(generation_id)
        if generation is None or hold is None:
            yield f"{generation_id}: a generation {generation is not None}, a hold {hold is not None}"
            continue
        expected = {"completed": "settled", "failed": "released"}.get(generation["status"], "open")
        if hold["status"] != expected:
            yield f"{generation_id}: {generation['status']} but its hold is {hold['status']}"
        types = sorted(entry["type"] for entry in moves[generation_id])
        closing = {"settled": ["settle"], "released": ["release"]}.get(hold["status"], [])
        if types != sorted(["hold", *closing]):
            yield f"{generation_id}: entries {types} for a hold that is {hold['status']}"


def _one_record_per_delivery(
    generations: Mapping[str, Any], records: Mapping[str, Any], holds: Mapping[str, Any]
) -> Iterator[str]:
    for generation_id, generation in generations.items():
        record = records.get(generation_id)
        if (generation["status"] == "completed") != (record is not None):
            yield f"{generation_id}: {generation['status']}, record {record is not None}"
        if generation["status"] == "completed" and not json.loads(generation.get("outputs") or "[]"):
            yield f"{generation_id}: completed without outputs"
        if record and record["amount_micros"] != int(generation["billed_micros"]):
            yield f"{generation_id}: billed {generation['billed_micros']}, recorded {record['amount_micros']}"
        if record and record["amount_micros"] > int(holds[generation_id]["amount_micros"]):
            yield f"{generation_id}: charged more than was held"
    for generation_id in set(records) - set(generations):
        yield f"{generation_id}: a record without a generation"


def _attempts(generations: Mapping[str, Any], attempts: list[Any]) -> Iterator[str]:
    by_generation = defaultdict(list)
    for attempt in attempts:
        by_generation[attempt["generation_id"]].append(attempt)
    for generation_id, generation in generations.items():
        found = by_generation[generation_id]
        live = [a for a in found if a["status"] in {"submitting", "accepted", "uncertain", "finished", "collected"}]
        if len(live) > 1:
            yield f"{generation_id}: {len(live)} attempts may be running at once"
        if len(found) != int(generation["attempt_no"]):
            yield f"{generation_id}: {len(found)} attempts, {generation['attempt_no']} counted"


def _nothing_left(generations: Mapping[str, Any], holds: Mapping[str, Any]) -> Iterator[str]:
    for generation_id, generation in generations.items():
        if generation["status"] not in FINAL:
            yield f"{generation_id}: still {generation['status']}"
        if generation.get("work"):
            yield f"{generation_id}: its end was never announced"
    for generation_id, hold in holds.items():
        if hold["status"] == "open":
            yield f"{generation_id}: its hold is still open"


def _items(client: Any, table: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            yield {name: _deserializer.deserialize(value) for name, value in item.items()}
