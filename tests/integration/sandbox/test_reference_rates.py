"""The sandbox's European Central Bank: its documents are read by the reader that reads the real ones."""

from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from gateway.fx import CURRENCIES, ecb
from infra.sandbox import reference_rates

BASE = "/ecb/stats/eurofxref"


def test_both_documents_are_served_with_the_last_working_day_first(sandbox_url: str) -> None:
    before = datetime.now(UTC).date()
    answers = [httpx.get(f"{sandbox_url}{BASE}/eurofxref-{name}.xml") for name in ("daily", "hist-90d")]
    after = datetime.now(UTC).date()
    daily, history = (ecb.parse(answer.content) for answer in answers)
    assert {answer.headers["content-type"] for answer in answers} == {"text/xml; charset=utf-8"}
    (day,) = daily
    assert day in {next(reference_rates.working_days(today)) for today in (before, after)}
    assert set(daily[day]) == set(CURRENCIES)
    assert history[max(history)] == daily[day]
    assert len(history) in {64, 65}
    assert httpx.get(f"{sandbox_url}{BASE}/eurofxref-hist.xml").status_code == 404


@pytest.mark.parametrize(
    ("today", "newest"),
    [
        (date(2026, 11, 20), date(2026, 11, 19)),
        (date(2026, 11, 21), date(2026, 11, 20)),
        (date(2026, 11, 22), date(2026, 11, 20)),
        (date(2026, 11, 23), date(2026, 11, 20)),
    ],
)
def test_the_newest_date_is_the_last_working_day_before_today(today: date, newest: date) -> None:
    assert list(ecb.parse(reference_rates.daily(today).encode())) == [newest]
    history = list(ecb.parse(reference_rates.history(today).encode()))
    assert history[0] == newest
    assert history == sorted(history, reverse=True)
    assert history[-1] >= today - timedelta(days=90)
    assert all(day.weekday() < 5 for day in history)
