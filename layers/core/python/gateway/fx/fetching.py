"""Fetches the European Central Bank's rates and stores them by date, each date once and for ever."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO

from gateway import fx, ids, tables, telemetry, url_guard
from gateway.config import settings
from gateway.errors import SourceRefused, Unavailable
from gateway.fx import ecb
from gateway.money import exact

FETCH_SECONDS_MAX = 20.0


def fetch_and_store() -> dict[str, int]:
    """Store the last publication, and those of the last 90 days when one of the last 7 days is missing.

    Answers `{"stored": dates that are new, "changed": dates that are stored with other rates}`. A stored date is never
    overwritten, because records rest on it; other rates for it are logged and measured. Raises Unavailable when a
    document cannot be fetched and ValueError when it is not what the ECB publishes; nothing of it is stored then.
    """
    today = ids.now().date()
    try:
        daily = _fetched(settings().fx_rates_url, today)
        done = _store(daily)
        if _has_gap(today, max(daily)):
            done += _store(_fetched(settings().fx_history_url, today))
    finally:
        telemetry.measure({"FxRatesStale": int(not fx.recent(today))})
    telemetry.measure({"FxRatesStored": done["stored"], "FxRatesChanged": done["changed"]})
    return {"stored": done["stored"], "changed": done["changed"]}


def _fetched(url: str, today: date) -> dict[date, dict[str, Decimal]]:
    document = BytesIO()
    try:
        # By way of the guard although the URL is a setting, because it follows redirects, within bounds.
        url_guard.download(url, document, max_bytes=ecb.BYTES_MAX, timeout_seconds=FETCH_SECONDS_MAX)
    except SourceRefused as refusal:
        raise Unavailable(f"{url} could not be fetched: {refusal.message}") from refusal
    found = ecb.parse(document.getvalue())
    if max(found) > today:
        raise ValueError(f"{url} has rates of {max(found)}, and today is {today}.")
    return found


def _store(found: Mapping[date, Mapping[str, Decimal]]) -> Counter[str]:
    known = {item.sk: item.rates for item in tables.ReferenceRates.between(min(found), max(found))}
    done: Counter[str] = Counter()
    for day, rates in sorted(found.items()):
        # As exact text: the two documents write the same rate with and without zeros at its end.
        texts = {currency: exact(rate) for currency, rate in rates.items()}
        stored = known.get(day.isoformat())
        if stored is None:
            # Refused by the store when another run was quicker; the next run compares.
            done["stored"] += tables.ReferenceRates.of(day, texts, ids.timestamp(ids.now())).insert()
        elif stored != texts:
            done["changed"] += 1
            differing = sorted(one for one in stored.keys() | texts.keys() if stored.get(one) != texts.get(one))
            telemetry.logger.error(
                "a stored date has other rates now; the stored ones stand",
                extra={"date": day.isoformat(), "currencies": differing},
            )
    return done


def _has_gap(today: date, newest: date) -> bool:
    """Whether a working day of the last 7 days, before the newest publication, is not stored.

    A closing day of the banks looks like a gap too; it costs some fetches of 100 kB a year.
    """
    known = {day for day, _ in fx.recent(today)}
    first = today - timedelta(days=fx.DAYS_MAX)
    days = (first + timedelta(days=number) for number in range((newest - first).days))
    return any(day.weekday() < 5 and day not in known for day in days)
