"""The promises about money and jobs, checked on the raw tables. One module for every suite.

`violations` reads the tables as they are, through any DynamoDB client, and answers what does not hold, in
words. `at_rest=True` adds what must hold once nothing is under way any more.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from gateway.pricing import Quote
from gateway.tables.packed import unpacked
from museway.records import verify

FINAL = {"completed", "failed", "cancelled"}
CLOSED = {"completed": "settled", "failed": "released", "cancelled": "released"}
"""What a generation's end does to its hold."""
LIVE = {"submitting", "accepted", "uncertain", "finished", "collected"}
"""Attempts that a provider may be working on, or that hold what it delivered."""
AMOUNTS = ("granted", "available", "held", "spent")
_deserializer = TypeDeserializer()


@dataclass(frozen=True)
class Stored:
    """Everything about money and jobs, by what it is."""

    generations: Mapping[str, Any]
    orders: Mapping[str, Any]
    attempts: Mapping[str, list[Any]]
    holds: Mapping[str, Any]
    records: Mapping[str, Any]
    entries: list[Any]
    balances: Mapping[tuple[str, int], Any]
    counters: Mapping[str, Any]

    @classmethod
    def of(cls, client: Any, jobs_table: str, ledger_table: str) -> "Stored":
        jobs, ledger = list(_items(client, jobs_table)), list(_items(client, ledger_table))
        attempts: dict[str, list[Any]] = defaultdict(list)
        for item in jobs:
            if item["sk"].startswith("ATTEMPT#"):
                attempts[item["generation_id"]].append(item)
        kinds: dict[str, list[Any]] = defaultdict(list)
        for item in ledger:
            kinds[item["sk"]].append(item)
        return cls(
            generations={item["generation_id"]: item for item in jobs if item["sk"] == "GENERATION"},
            orders={item["pk"].removeprefix("GENERATION#"): item for item in jobs if item["sk"] == "ORDER"},
            attempts=attempts,
            holds={item["generation_id"]: item for item in kinds["HOLD"]},
            records={item["pk"].removeprefix("RECORD#"): json.loads(item["body"]) for item in kinds["RECORD"]},
            entries=kinds["ENTRY"],
            balances={_shard_of(item["pk"]): item for item in kinds["BALANCE"]},
            counters={item["pk"].removeprefix("SPENDING#"): item for item in kinds["SPENDING"]},
        )


def violations(client: Any, jobs_table: str, ledger_table: str, *, at_rest: bool = False) -> list[str]:
    """Everything that is not as promised; empty when all holds."""
    stored = Stored.of(client, jobs_table, ledger_table)
    return [
        *_conservation(stored),
        *_holds_resolve_once(stored),
        *_one_record_per_delivery(stored),
        *_refunds(stored),
        *_limits_count_right(stored),
        *_attempts(stored),
        *(f"record {r['record_id']}: {d}" for r in stored.records.values() for d in verify([r])),
        *(_nothing_left(stored) if at_rest else []),
    ]


def _conservation(stored: Stored) -> Iterator[str]:
    """Each shard's own equation, and its amounts rebuilt from entries, holds and records."""
    sums = _summed(stored)
    for shard, balance in stored.balances.items():
        name = f"{shard[0]} shard {shard[1]}"
        b = {amount: int(balance[f"{amount}_micros"]) for amount in AMOUNTS}
        if b["granted"] != b["available"] + b["held"] + b["spent"]:
            yield f"{name}: granted is not available + held + spent: {b}"
        if min(b.values()) < 0:
            yield f"{name}: a negative amount: {b}"
        for amount, by_shard in sums.items():
            if b[amount] != by_shard[shard]:
                yield f"{name}: {amount} is {b[amount]}, its items come to {by_shard[shard]}"


def _summed(stored: Stored) -> dict[str, dict[tuple[str, int], int]]:
    """What was granted, is held and was spent of each shard, by its entries, holds and records."""
    granted: dict[tuple[str, int], int] = defaultdict(int)
    held: dict[tuple[str, int], int] = defaultdict(int)
    spent: dict[tuple[str, int], int] = defaultdict(int)
    for entry in stored.entries:
        shard, micros = (entry["project_id"], int(entry["shard"])), int(entry["amount_micros"])
        match entry["type"]:
            case "grant" | "adjust":
                granted[shard] += micros
            case "level":
                for number, moved in json.loads(entry["moves"]).items():
                    granted[entry["project_id"], int(number)] += moved
            case "refund":
                spent[shard] -= micros
    for generation_id, hold in stored.holds.items():
        shard = (hold["project_id"], int(hold["shard"]))
        held[shard] += int(hold["amount_micros"]) if hold["status"] == "open" else 0
        spent[shard] += stored.records[generation_id]["amount_micros"] if generation_id in stored.records else 0
    return {"granted": granted, "held": held, "spent": spent}


def _holds_resolve_once(stored: Stored) -> Iterator[str]:
    moves: dict[str, list[str]] = defaultdict(list)
    batched: dict[str, int] = defaultdict(int)
    for entry in stored.entries:
        if entry["type"] == "hold" and not entry.get("generation_id"):
            batched[entry["entry_id"].removeprefix("hold-")] += int(entry["amount_micros"])
        elif entry["type"] in {"hold", "settle", "release"}:
            moves[entry["generation_id"]].append(entry["type"])
    for generation_id in {*stored.generations, *stored.holds, *moves}:
        generation, hold = stored.generations.get(generation_id), stored.holds.get(generation_id)
        if hold is None:
            yield f"{generation_id}: a generation or an entry without a hold"
            continue
        if generation is None and not hold.get("batch_id"):
            yield f"{generation_id}: a hold without a generation"
        # A batch holds before its generations are inserted; one that never came has its hold released.
        expected = {CLOSED.get(generation["status"], "open")} if generation else {"open", "released"}
        if hold["status"] not in expected:
            yield f"{generation_id}: {generation and generation['status']} but its hold is {hold['status']}"
        opening = [] if hold.get("batch_id") else ["hold"]
        closing = {"settled": ["settle"], "released": ["release"]}.get(hold["status"], [])
        if sorted(moves[generation_id]) != sorted([*opening, *closing]):
            yield f"{generation_id}: entries {moves[generation_id]} for a hold that is {hold['status']}"
        if hold.get("batch_id"):
            batched[hold["batch_id"]] -= int(hold["amount_micros"])
    for batch_id, rest in batched.items():
        if rest:
            yield f"{batch_id}: its entry is {rest} above its holds"


def _one_record_per_delivery(stored: Stored) -> Iterator[str]:
    for generation_id, generation in stored.generations.items():
        record = stored.records.get(generation_id)
        if (generation["status"] == "completed") != (record is not None):
            yield f"{generation_id}: {generation['status']}, record {record is not None}"
        if record is None:
            continue
        last = next((a for a in stored.attempts[generation_id] if a["attempt_no"] == generation["attempt_no"]), {})
        if not json.loads(last.get("outputs") or "[]"):
            yield f"{generation_id}: completed without outputs"
        billed, held = record["amount_micros"], int(stored.holds[generation_id]["amount_micros"])
        if billed != int(generation["billed_micros"]):
            yield f"{generation_id}: billed {generation['billed_micros']}, recorded {billed}"
        if billed != int(stored.holds[generation_id]["charged_micros"]):
            yield f"{generation_id}: recorded {billed}, its hold says otherwise"
        quoted = _maximum_micros(*(unpacked(stored.orders[generation_id][name].value) for name in ("quote", "offers")))
        if not quoted >= held >= billed >= 0:
            yield f"{generation_id}: quoted at most {quoted}, held {held}, billed {billed}"
    for generation_id in set(stored.records) - set(stored.generations):
        yield f"{generation_id}: a record without a generation"


def _refunds(stored: Stored) -> Iterator[str]:
    refunded: dict[str, int] = defaultdict(int)
    for entry in stored.entries:
        if entry["type"] == "refund":
            refunded[entry["generation_id"]] += int(entry["amount_micros"])
    for generation_id, hold in stored.holds.items():
        given, charged = refunded.pop(generation_id, 0), int(hold.get("charged_micros") or 0)
        if given != int(hold.get("refunded_micros") or 0) or given > charged:
            yield f"{generation_id}: refunded {given} of {charged}, its hold says {hold.get('refunded_micros')}"
    for generation_id in refunded:
        yield f"{generation_id}: refunded without a hold"


def _limits_count_right(stored: Stored) -> Iterator[str]:
    """A counter's total is what the holds that it counted hold, or came to; days and months add up to no more."""
    totals: dict[str, int] = defaultdict(int)
    for hold in stored.holds.values():
        spent = int(hold.get("charged_micros") or 0) - int(hold.get("refunded_micros") or 0)
        for counter_id in json.loads(hold.get("counters") or "[]"):
            totals[counter_id] += int(hold["amount_micros"]) if hold["status"] == "open" else spent
    for counter_id, counter in stored.counters.items():
        expected = totals[counter_id] + int(counter.get("base_micros") or 0)
        if int(counter.get("total", 0)) != expected:
            yield f"{counter_id}: counted {counter.get('total', 0)}, its holds and its base come to {expected}"
        by_day = sum(int(value) for name, value in counter.items() if name[:2] == "d2")
        by_month = sum(int(value) for name, value in counter.items() if name[:2] == "m2")
        if not by_day == by_month == int(counter.get("total", 0)):
            yield f"{counter_id}: {by_day} by day, {by_month} by month, {counter.get('total', 0)} in all"


def _attempts(stored: Stored) -> Iterator[str]:
    for generation_id, generation in stored.generations.items():
        found = stored.attempts[generation_id]
        live = [attempt for attempt in found if attempt["status"] in LIVE]
        if len(live) > 1:
            yield f"{generation_id}: {len(live)} attempts may be running at once"
        if len(found) != int(generation["attempt_no"]):
            yield f"{generation_id}: {len(found)} attempts, {generation['attempt_no']} counted"
        if generation_id not in stored.orders:
            yield f"{generation_id}: a generation without an order"


def _nothing_left(stored: Stored) -> Iterator[str]:
    for generation_id, generation in stored.generations.items():
        if generation["status"] not in FINAL:
            yield f"{generation_id}: still {generation['status']}"
        if generation.get("work"):
            yield f"{generation_id}: its end was never announced"
    for generation_id, hold in stored.holds.items():
        if hold["status"] == "open":
            yield f"{generation_id}: its hold is still open"


def _maximum_micros(quote: Mapping[str, Any], offers: Sequence[Mapping[str, Any]]) -> int:
    """The most that a frozen quote allows for, from its own rates and quantities, by the dearest of its offers."""
    priced = ((Quote.from_dict(offer.get("quote", quote)), offer.get("byok", False)) for offer in offers)
    return max(one.under(byok=byok).maximum_micros for one, byok in priced)


def _shard_of(key: str) -> tuple[str, int]:
    _, project, shard = key.split("#")
    return project, int(shard)


def _items(client: Any, table: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            yield {name: _deserializer.deserialize(value) for name, value in item.items()}
