"""How offers do: counted by the steps as attempts end, judged once a minute, read from memory.

Counting and reading never fail anybody: without a count, or without a snapshot, an offer does well. Judging is for one
caller, the reconciler. A change is stored before it is told and noted after, so that it is told at least once, and each
time under the same `id`.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway import breaker, events, histograms, ids, tables, telemetry
from gateway.breaker import OfferHealth, Outcome
from gateway.errors import Unavailable

KEPT_SECONDS = 10
"""How long a container goes on with the snapshot it has read."""
STALE_SECONDS = 600
"""A snapshot that is older holds nothing against anybody: whoever judges stands still."""
COUNTER_SECONDS = 3600
"""How long a counter is kept, well beyond the window in which it is looked at."""
RESET_TRIES_MAX = 5
_FAILED = "failed"
_PROVIDER = re.compile(r"@([^@]+?)(-\d+)?$")
"""An offer is named `model@provider`, with a number where it is not the model's first."""


def count_delivery(offer_id: str, parameters: str, seconds: float) -> None:
    """Count an attempt that was delivered, and how long the provider took. What fails here is logged and no more."""
    _count(offer_id, parameters, f"{histograms.bin_of(seconds):+04d}")


def count_failure(offer_id: str, code: str) -> None:
    """Count an attempt that ended for a reason of `nondelivery`, unless that says nothing of the offer."""
    if code not in breaker.SAYS_NOTHING:
        _count(offer_id, "", _FAILED)


def snapshot() -> Mapping[str, OfferHealth]:
    """How every offer does that something is known of, by its id; read at most once in ten seconds. Never raises."""
    if time.monotonic() - _Kept.read_at_seconds < KEPT_SECONDS:
        return _Kept.offers
    _Kept.read_at_seconds = time.monotonic()
    try:
        stored = tables.HealthSnapshot.find()
        _Kept.offers = _offers(stored) if stored and not _is_stale(stored) else {}
    except Exception:
        # What was known before is better than nothing, and nothing is better than a call that fails for it.
        telemetry.logger.exception("the health of offers cannot be read")
    return _Kept.offers


def of(offer_id: str) -> OfferHealth:
    """How an offer does, by the snapshot; well where nothing is known."""
    return snapshot().get(offer_id, OfferHealth())


def assess() -> int:
    """Judge every offer anew and tell what has changed; answers how many changes were told."""
    now, stored = ids.now(), tables.HealthSnapshot.find()
    before, waiting = (_offers(stored), stored.untold) if stored else ({}, [])
    after = breaker.judged(before, _outcomes(now), now)
    telemetry.measure({"OffersOpen": sum(health.state == breaker.OPEN for health in after.values())})
    if not (before or after or waiting):
        return 0
    made = _write(stored, after, [*waiting, *_changes(before, after)], ids.timestamp(now))
    return _tell(made) if made else 0


def reset(offer_id: str) -> OfferHealth:
    """Close an offer's breaker by hand: what it did until now is held against it no more. Answers how it does then.

    The reconciler tells of the change. Raises Unavailable when others keep writing.
    """
    for _ in range(RESET_TRIES_MAX):
        stored = tables.HealthSnapshot.find()
        before = _offers(stored) if stored else {}
        if stored is None or offer_id not in before:
            return OfferHealth()
        after = {**before, offer_id: breaker.closed_by_hand(before[offer_id], ids.now())}
        if _write(stored, after, [*stored.untold, *_changes(before, after)], stored.made_at):
            forget()
            return after[offer_id]
    raise Unavailable("The health of offers is being written by others; nothing was changed.")


def provider_of(offer_id: str) -> str:
    """The provider that an offer's id names."""
    found = _PROVIDER.search(offer_id)
    return found[1] if found else ""


def forget() -> None:
    """Drop what is in memory, so that the next look reads the store."""
    _Kept.read_at_seconds, _Kept.offers = -math.inf, {}


class _Kept:
    read_at_seconds: float = -math.inf
    offers: Mapping[str, OfferHealth] = {}


def _count(offer_id: str, parameters: str, end: str) -> None:
    """Count one attempt. Its step has done what matters already and must not fail for this."""
    now = ids.now()
    try:
        expires_at_seconds = int(now.timestamp()) + COUNTER_SECONDS
        tables.OutcomeCount.add(f"{breaker.minute_of(now)}#{offer_id}#{parameters}#{end}", expires_at_seconds)
    except Exception:
        telemetry.logger.exception("an attempt's end was not counted")


def _outcomes(now: datetime) -> Iterator[Outcome]:
    """What ended within the window, by minute."""
    for counter in tables.OutcomeCount.since(str(breaker.minute_of(now) - breaker.WINDOW_MINUTES + 1)):
        minute, offer_id, parameters, end = counter.sk.split("#")
        took = None if end == _FAILED else int(end)
        yield Outcome(int(minute), offer_id, parameters, took, int(counter.attempts))


def _offers(stored: tables.HealthSnapshot) -> dict[str, OfferHealth]:
    return {offer_id: OfferHealth.from_dict(one) for offer_id, one in stored.offers.items()}


def _is_stale(stored: tables.HealthSnapshot) -> bool:
    return ids.now() - ids.moment(stored.made_at) > timedelta(seconds=STALE_SECONDS)


def _changes(before: Mapping[str, OfferHealth], after: Mapping[str, OfferHealth]) -> Iterator[dict[str, Any]]:
    """What is to be told of each offer whose breaker is in another state than before."""
    for offer_id, health in after.items():
        was = before.get(offer_id, OfferHealth()).state
        if health.state != was:
            yield {
                "id": f"{offer_id}.{health.state}.{health.since}",
                "offer": offer_id,
                "provider": provider_of(offer_id),
                "state": health.state,
                "was": was,
                "since": health.since,
                "success_rate": health.success_rate,
                "samples": health.samples,
            }


def _write(
    stored: tables.HealthSnapshot | None,
    offers: Mapping[str, OfferHealth],
    untold: list[dict[str, Any]],
    made_at: str,
) -> tables.HealthSnapshot | None:
    """The snapshot that was written; None when another came first, which the next minute sees."""
    shown = {offer_id: health.to_dict() for offer_id, health in offers.items()}
    return tables.HealthSnapshot.replace(stored, shown, untold, made_at)


def _tell(made: tables.HealthSnapshot) -> int:
    """Put what has not been told yet on the bus. Raises what the bus raises; then it is told the next time."""
    for change in made.untold:
        events.put("ProviderHealthChanged", change)
        telemetry.logger.warning("an offer's breaker changed", extra={"change": change})
        telemetry.measure({"OfferHealthChanges": 1}, provider=change["provider"], state=change["state"])
    if made.untold:
        made.note_told()
    return len(made.untold)
