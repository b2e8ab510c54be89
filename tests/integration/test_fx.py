"""The ECB's rates are fetched, stored by date once and for ever, and found again by whoever bills."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway import config, fx, ids, tables, telemetry, transport
from gateway.errors import Unavailable
from gateway.fx import fetching
from infra.local.system import RATES_PATH
from infra.sandbox import reference_rates
from infra.sandbox.serving import served_sandbox
from tests.integration.cloudformation import ECHO, asked, cloudformation
from tests.integration.world import World, world

SATURDAY = date(2026, 11, 21)
"""The day on which a world's clock starts."""
FRIDAY = SATURDAY - timedelta(days=1)
DAY_SECONDS = 86_400


class Ecb:
    """The bank's server: what it answers by the document's name, and what it was asked for."""

    def __init__(self, museway: World) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, bytes] = {}
        self._museway = museway

    def respond(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        self.asked.append(url)
        name = {config.FX_RATES_URL: "daily", config.FX_HISTORY_URL: "history"}[url]
        if name not in self.answers:
            return httpx.Response(200, text=getattr(reference_rates, name)(self._museway.clock.now().date()))
        return httpx.Response(200 if self.answers[name] else 503, content=self.answers[name])


@pytest.fixture
def museway() -> Iterator[World]:
    with world(models={"nano-banana"}) as made:
        yield made


@pytest.fixture
def ecb(museway: World) -> Iterator[Ecb]:
    made = Ecb(museway)
    with transport.use(httpx.MockTransport(made.respond)):
        yield made


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The last value of each metric."""
    found: dict[str, float] = {}
    monkeypatch.setattr(telemetry, "measure", lambda values, **_: found.update(values))
    return found


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the errors in the log carry."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(telemetry.logger, "error", lambda _message, extra: found.append(extra))
    return found


def stored(museway: World) -> dict[str, dict[str, str]]:
    """Every stored date with its rates, as the table has them."""
    items = museway.dynamodb.query(
        TableName="catalog",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "FX"}},
    )["Items"]
    return {item["sk"]["S"]: json.loads(item["rates"]["S"]) for item in items}


def store(day: date, **rates: str) -> None:
    assert tables.ReferenceRates.of(day, {"EUR": "1", "USD": "1.1346", **rates}, "now").insert()


def snapshot(museway: World, currency: str = "EUR") -> dict[str, Any]:
    fx.forget()
    found = fx.snapshot(currency, museway.clock.now())
    assert found is not None
    return found


def test_the_first_run_stores_90_days_and_the_next_one_nothing(
    museway: World, ecb: Ecb, measured: dict[str, float]
) -> None:
    assert fetching.fetch_and_store() == {"stored": 65, "changed": 0}
    assert ecb.asked == [config.FX_RATES_URL, config.FX_HISTORY_URL]
    assert measured == {"FxRatesStored": 65, "FxRatesChanged": 0, "FxRatesStale": 0}
    kept = stored(museway)
    assert (min(kept), max(kept)) == ("2026-08-24", "2026-11-20")
    assert kept["2026-11-20"].items() >= {"EUR": "1", "USD": "1.1346", "JPY": "178.2", "GBP": "0.8573"}.items()
    assert set(kept["2026-11-20"]) == set(fx.CURRENCIES)
    assert fetching.fetch_and_store() == {"stored": 0, "changed": 0}
    assert ecb.asked[2:] == [config.FX_RATES_URL]
    assert stored(museway) == kept


def test_a_working_day_adds_one_date_and_a_gap_is_filled(museway: World, ecb: Ecb) -> None:
    fetching.fetch_and_store()
    museway.clock.sleep(3 * DAY_SECONDS)  # Tuesday
    ecb.asked.clear()
    assert fetching.fetch_and_store() == {"stored": 1, "changed": 0}
    assert ecb.asked == [config.FX_RATES_URL]
    museway.clock.sleep(3 * DAY_SECONDS)  # Friday, and neither Tuesday's nor Wednesday's were fetched
    ecb.asked.clear()
    assert fetching.fetch_and_store() == {"stored": 3, "changed": 0}
    assert ecb.asked == [config.FX_RATES_URL, config.FX_HISTORY_URL]


def test_a_stored_date_is_never_overwritten(
    museway: World, ecb: Ecb, measured: dict[str, float], logged: list[dict[str, Any]]
) -> None:
    fetching.fetch_and_store()
    kept = stored(museway)
    document = reference_rates.daily(SATURDAY).replace("1.1346", "1.1347").replace("'GBP'", "'XYZ'")
    ecb.answers["daily"] = document.encode()
    assert fetching.fetch_and_store() == {"stored": 0, "changed": 1}
    assert logged == [{"date": "2026-11-20", "currencies": ["GBP", "USD", "XYZ"]}]
    assert measured["FxRatesChanged"] == 1
    assert stored(museway) == kept


def test_a_run_that_another_one_overtook_overwrites_nothing(
    museway: World, ecb: Ecb, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(FRIDAY, JPY="1")
    monkeypatch.setattr(tables.ReferenceRates, "between", lambda *_: iter(()))
    ecb.answers["history"] = ecb.answers["daily"] = reference_rates.daily(SATURDAY).encode()
    assert fetching.fetch_and_store() == {"stored": 0, "changed": 0}
    assert stored(museway)["2026-11-20"]["JPY"] == "1"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "could not be fetched: The server answered with status 503"),
        (b"<html/>", "no envelope"),
        (reference_rates.daily(SATURDAY).replace("1.1346", "0").encode(), "no rate of USD"),
        (
            reference_rates.daily(SATURDAY + timedelta(days=3)).encode(),
            "has rates of 2026-11-23, and today is 2026-11-21",
        ),
        (b" " * 1024 * 1024 + reference_rates.daily(SATURDAY).encode(), "too large"),
    ],
)
def test_a_document_that_is_not_the_banks_stores_nothing(
    museway: World, ecb: Ecb, measured: dict[str, float], document: bytes, reason: str
) -> None:
    ecb.answers["daily"] = document
    with pytest.raises((Unavailable, ValueError), match=reason):
        fetching.fetch_and_store()
    assert stored(museway) == {}
    assert measured == {"FxRatesStale": 1}


def test_without_the_history_the_last_publication_is_there(
    museway: World, ecb: Ecb, measured: dict[str, float]
) -> None:
    ecb.answers["history"] = b""
    with pytest.raises(Unavailable, match=r"eurofxref-hist-90d\.xml could not be fetched"):
        fetching.fetch_and_store()
    assert list(stored(museway)) == ["2026-11-20"]
    assert measured == {"FxRatesStale": 0}
    del ecb.answers["history"]
    assert fetching.fetch_and_store() == {"stored": 64, "changed": 0}


def test_no_answer_at_all_is_a_failure_too(museway: World, measured: dict[str, float]) -> None:
    def break_off(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("late")

    store(SATURDAY - timedelta(days=8))
    with transport.use(httpx.MockTransport(break_off)), pytest.raises(Unavailable, match="could not be fetched"):
        fetching.fetch_and_store()
    assert measured == {"FxRatesStale": 1}


@pytest.mark.parametrize(
    ("day", "as_of"),
    [
        (date(2026, 11, 23), "2026-11-20"),  # a Monday before publication
        (date(2026, 11, 27), "2026-11-20"),
        (date(2026, 11, 28), None),
        (date(2026, 11, 18), "2026-11-13"),  # what comes later is not known yet
    ],
)
def test_the_newest_date_within_7_days_is_frozen(museway: World, day: date, as_of: str | None) -> None:
    for number in (8, 1, 2):
        store(SATURDAY - timedelta(days=number), JPY=f"17{number}")
    fx.forget()
    found = fx.snapshot("JPY", datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC))
    assert found is not None
    assert found["as_of"] == as_of
    assert (found["reason"] is None) is (found["rate"] is not None) is (as_of is not None)


def test_a_snapshot_costs_one_read_and_none_for_10_minutes(
    museway: World, ecb: Ecb, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching.fetch_and_store()
    fx.forget()
    monkeypatch.setattr(fx, "time", museway.clock)
    museway.faults.calls.clear()
    for currency in ("EUR", "JPY", "USD"):
        fx.snapshot(currency, museway.clock.now())
    museway.clock.sleep(599)
    assert fx.snapshot("SEK", museway.clock.now())
    assert museway.faults.calls == ["Query"]
    museway.clock.sleep(1)
    assert fx.snapshot("SEK", museway.clock.now())
    assert museway.faults.calls == ["Query", "Query"]


def test_what_was_frozen_stays_when_there_are_newer_rates(museway: World, ecb: Ecb) -> None:
    fetching.fetch_and_store()
    before = snapshot(museway)
    assert (before["rate"], before["as_of"]) == ("0.881367883", "2026-11-20")
    assert fx.converted(before, 672_000) == {**before, "amount_minor": 59}
    museway.clock.sleep(3 * DAY_SECONDS)
    ecb.answers["daily"] = reference_rates.daily(SATURDAY + timedelta(days=3)).replace("1.1346", "1.25").encode()
    fetching.fetch_and_store()
    after = snapshot(museway)
    assert (after["rate"], after["as_of"]) == ("0.8", "2026-11-23")
    museway.clock.sleep(20 * DAY_SECONDS)
    assert snapshot(museway)["rate"] is None


def test_on_a_laptop_the_rates_come_from_the_sandbox() -> None:
    """Over the wire, by the addresses that `museway up` gives, past the URL guard."""
    with served_sandbox() as url:
        environment = {
            "FX_RATES_URL": f"{url}{RATES_PATH}/eurofxref-daily.xml",
            "FX_HISTORY_URL": f"{url}{RATES_PATH}/eurofxref-hist-90d.xml",
            "URL_ALLOWED_HOSTS": url.removeprefix("http://"),
        }
        one_model = {"models": {"nano-banana"}}
        with world(environment, outside=None, **one_model) as museway, pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(ids, "now", lambda: datetime.now(UTC))
            assert fetching.fetch_and_store()["stored"] in {64, 65}
            fx.forget()
            found = fx.snapshot("EUR", ids.now())
            assert found is not None
            assert (found["rate"], found["as_of"]) == ("0.881367883", max(stored(museway)))


class TestFunction:
    def test_it_answers_what_it_did(self, museway: World, ecb: Ecb) -> None:
        assert museway._call("fx_rates", {"source": "aws.events"}) == {"stored": 65, "changed": 0}

    def test_a_failure_is_raised_so_that_the_schedule_repeats_it(self, museway: World, ecb: Ecb) -> None:
        ecb.answers["daily"] = b""
        with pytest.raises(Unavailable):
            museway._call("fx_rates", {"source": "aws.events"})

    @pytest.mark.parametrize("kind", ["Create", "Update"])
    def test_a_deployment_begins_with_rates(self, museway: World, ecb: Ecb, kind: str) -> None:
        with cloudformation() as (url, heard):
            museway._call("fx_rates", asked(kind, url))
        assert heard == [("", {**ECHO, "PhysicalResourceId": "first-rates", "Status": "SUCCESS"})]
        assert len(stored(museway)) == 65

    def test_a_deployment_goes_on_without_the_bank_and_the_failure_is_not_lost(self, museway: World, ecb: Ecb) -> None:
        ecb.answers["daily"] = b""
        with cloudformation() as (url, heard), pytest.raises(Unavailable):
            museway._call("fx_rates", asked("Create", url))
        assert heard == [("", {**ECHO, "PhysicalResourceId": "first-rates", "Status": "SUCCESS"})]

    def test_a_stack_that_is_deleted_fetches_nothing(self, museway: World, ecb: Ecb) -> None:
        with cloudformation() as (url, heard):
            museway._call("fx_rates", asked("Delete", url))
        assert [answer["Status"] for _, answer in heard] == ["SUCCESS"]
        assert (ecb.asked, stored(museway)) == ([], {})
