"""Every offer of the catalog delivers: by its real adapter, under the functions' own roles, from the door to the drive.

One of each provider and kind of medium is asked; `make whole` asks them all. What each generation type becomes is
held in process (tests/integration/test_every_model.py).
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gateway.catalog import from_compiled
from gateway.catalog.source import compile_catalog
from museway import Client
from tests.e2e.support import Local, finished
from tests.trials import MEDIA, Trial, check_media, once_by_offer, placed, trials

AT_ONCE = 6
GRANTED_MICROS = 1_000_000_000
OFFERS = once_by_offer(trials(from_compiled("shipped", compile_catalog()).models.values(), datetime.now(UTC)))


def of_each_kind() -> list[Trial]:
    """One offer of each provider and kind of medium."""
    return list({(trial.offer.provider, trial.sample.model.kind): trial for trial in reversed(OFFERS)}.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trial" in metafunc.fixturenames:
        asked = OFFERS if metafunc.config.getoption("--whole") else of_each_kind()
        metafunc.parametrize("trial", asked, ids=str)


@pytest.fixture(scope="module")
def ended(local: Local, request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """What became of each that is asked, some at a time, by the trial's name."""
    asked = OFFERS if request.config.getoption("--whole") else of_each_kind()
    _, api_key = local.project("offers", GRANTED_MICROS)
    headers = {"authorization": f"Bearer {api_key}"}
    with (
        Client(url=local.url, api_key=api_key) as client,
        httpx.Client(base_url=local.url, headers=headers, timeout=60) as http,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        places = {name: client.upload(order.render().content, filename=name)["url"] for name, order in MEDIA.values()}

        def end(trial: Trial) -> dict[str, Any]:
            path = "/v1/media/generate" if trial.sample.is_native else "/v1/generate/media"
            # Of the model's offers this one alone: a provider has one of each model.
            answer = http.post(path, json=placed(trial.sample, places) | {"providers": [trial.offer.provider]})
            assert answer.status_code == 202, answer.text
            return finished(client, answer.json()["generation_id"]) | {
                "held_micros": answer.json()["estimated_cost_micros"]
            }

        return dict(zip(map(str, asked), pool.map(end, asked), strict=True))


def test_it_delivers(ended: dict[str, dict[str, Any]], trial: Trial) -> None:
    shown = ended[str(trial)]
    assert (shown["status"], shown["error"]) == ("completed", None)
    assert [attempt["offer"] for attempt in shown["attempts"]] == [trial.offer.offer_id]
    assert 0 < shown["billed_micros"] <= shown["held_micros"]
    check_media(trial, shown["outputs"])
    for output in shown["outputs"]:
        fetched = httpx.get(output["url"])
        assert fetched.headers["content-type"].partition(";")[0] == output["media_type"]
        assert len(fetched.content) == output["bytes"]
