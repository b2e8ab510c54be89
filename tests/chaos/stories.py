"""The paths, as data: what callers, the operator and providers do, each until it has worked.

A story is told to a world in which anything may go wrong around any call. Callers repeat what was not answered,
under their key; then everything that is going to happen happens.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.exceptions import PynamoDBException

from gateway import catalog, fx, health, ids, keys, ledger, projects, tables
from gateway.errors import BadRequest, GatewayError, InsufficientCredits, Unavailable
from tests.chaos.faults import Crash
from tests.integration.world import GRANTED_MICROS, PROJECT, World

PRICE_MICROS = 39_000
FOX = {"model": "nano-banana", "prompt": "a fox"}
TRIES = 8
PASSING = (Crash, ClientError, PynamoDBException, Unavailable)
"""What a caller meets when a process dies, a call fails or the account is busy: it tries again."""


def key_of(key: str, *more: str) -> str:
    """The id of the generation that is made under an idempotency key."""
    return ids.derived("gen", PROJECT, key, *more)


@dataclass
class Callers:
    """Callers and the operator of one world, and what they were told."""

    world: World
    prices_micros: dict[str, int] = field(default_factory=dict)
    """Generations that were answered 202, with their price."""
    found: list[str] = field(default_factory=list)
    """What was not as promised."""
    granted_micros: int = GRANTED_MICROS
    limited_key: str = ""
    """A key that may spend less than others."""
    rivals: frozenset[str] = frozenset()
    """Who acts between their calls: what they do may be met as a conflict."""

    def insist(self, act: Callable[[], Any]) -> Any:
        """Do something until it has worked."""
        for _ in range(TRIES):
            try:
                return act()
            except PASSING:
                continue
        raise AssertionError(f"nothing came of it in {TRIES} tries")

    def ask(
        self, method: str, path: str, body: Any = None, key: str | None = None, api_key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """A request, repeated until it is answered."""
        headers = {"Idempotency-Key": key} if key else {}

        def once() -> tuple[int, dict[str, Any]]:
            status, answer, _ = self.world.request(method, path, body, key=api_key, headers=headers)
            if status >= 500:
                raise Unavailable(str(answer))
            return status, answer

        return self.insist(once)

    def submit(self, key: str = "k", **more: Any) -> str:
        """Submit under a key; answers the generation's id."""
        status, answer = self.ask("POST", "/v1/generate/media", FOX | more, key)
        if status != 202 or answer["generation_id"] != key_of(key):
            self.found.append(f"submitting under {key} was answered {status}: {answer}")
        self.prices_micros[key_of(key)] = answer.get("estimated_cost_micros", 0)
        return key_of(key)

    def cancel(self, generation_id: str) -> int:
        """Cancel; answers the status."""
        status, answer = self.ask("POST", f"/v1/generations/{generation_id}/cancel")
        if status not in {200, 409}:
            self.found.append(f"cancelling was answered {status}: {answer}")
        return status

    def look(self, generation_id: str) -> dict[str, Any]:
        """How a generation shows."""
        return self.ask("GET", f"/v1/generations/{generation_id}")[1]

    def expect(self, what: str, is_so: bool) -> None:
        """Note what is not as it must be."""
        if not is_so:
            self.found.append(what)


def limit_project(**limit: int) -> None:
    """Set the project's limit; what came before it is counted."""
    projects.change_settings(PROJECT, {"spending_limit": limit})


# The stories


def one(callers: Callers) -> None:
    """One generation, to rest."""
    callers.submit()
    callers.world.settle_down()


def by_mode(callers: Callers) -> None:
    """One generation of whatever model makes the best images, to rest: held for the best, charged for who delivered."""
    callers.submit(model=None, mode="image", prefer="quality")
    callers.expect("the best was not held for", callers.prices_micros[key_of("k")] == PRICE_MICROS)
    callers.world.settle_down()


def passed_over(callers: Callers) -> None:
    """One generation, to rest, after a minute in which the first offer was judged by those before."""
    callers.world.reconcile(after_seconds=61)
    one(callers)
    callers.insist(health.assess)
    told = [event["Detail"] for event in callers.world.store.events if event["DetailType"] == "ProviderHealthChanged"]
    told_ids = {json.loads(detail)["id"] for detail in told}
    callers.expect("a change of an offer was told in two ways", len(told_ids) == len(set(told)))
    known = callers.insist(tables.HealthSnapshot.find)
    for offer_id, its in (known.offers if known else {}).items():
        is_told = its["since"] is None or f"{offer_id}.{its['state']}.{its['since']}" in told_ids
        callers.expect(f"{offer_id} is {its['state']}, which was not told", is_told)


def four(callers: Callers) -> None:
    """One generation of four images, to rest."""
    callers.submit(num_images=4)
    callers.world.settle_down()


def cancelled_at(seconds: float | None) -> Callable[[Callers], None]:
    """One generation that its caller cancels after some seconds, or once it has ended."""

    def story(callers: Callers) -> None:
        generation_id = callers.submit()
        if seconds == 0:
            callers.cancel(generation_id)
        elif seconds:
            callers.world.clock.after(seconds, lambda: callers.cancel(generation_id))
        callers.world.settle_down()
        if not seconds:
            callers.cancel(generation_id)
            callers.world.settle_down()

    return story


def batch(with_key: bool) -> Callable[[Callers], None]:
    """Three at once. Without a key a caller that was not answered gives up."""

    def story(callers: Callers) -> None:
        body = {"requests": [FOX, FOX | {"num_images": 2}, {"model": "nano-banana"}]}
        if with_key:
            status, answer = callers.ask("POST", "/v1/generate/media:batch", body, "k")
            told = [(one["status"], (one["error"] or {}).get("error")) for one in answer["items"]]
            welcome = [(202, None), (202, None)]
            # Who stands still between the holds and the generations finds the holds returned, and nothing begun.
            returned = [(409, "hold_released")] * 2 if "pause" in callers.rivals else welcome
            callers.expect(f"the batch was answered {status}: {answer}", told[:2] in (welcome, returned))
        else:
            answer = {"items": []}
            with suppress(Crash, ClientError, PynamoDBException):
                answer = callers.world.request("POST", "/v1/generate/media:batch", body)[1]
        for item in answer.get("items", []):
            if item["status"] == 202:
                accepted = item["generation"]
                callers.prices_micros[accepted["generation_id"]] = accepted["estimated_cost_micros"]
        callers.world.settle_down()

    return story


def refunded(callers: Callers) -> None:
    """The operator refunds a part and then the rest; both are repeated."""
    for amount_micros, refund_id in ((9_000, "first"), (None, "rest"), (9_000, "first"), (None, "rest")):
        callers.insist(lambda a=amount_micros, r=refund_id: ledger.refund(key_of("k"), a, r))
    callers.world.settle_down()


def adjusted(callers: Callers) -> None:
    """Granted twice by mistake, corrected, and half of it given back."""
    callers.insist(lambda: ledger.grant(PROJECT, 700_000, "more"))
    for amount_micros, adjust_id in ((-700_000, "a"), (350_000, "b"), (-700_000, "a")):
        callers.insist(lambda a=amount_micros, i=adjust_id: ledger.adjust(PROJECT, a, i, "by mistake"))
    callers.granted_micros += 350_000
    callers.submit()
    callers.world.settle_down()


def resized(callers: Callers) -> None:
    """The account grows and shrinks while holds are open."""
    callers.submit()
    for shard_count, key in ((8, "second"), (2, "third"), (3, "fourth")):
        callers.insist(lambda n=shard_count: ledger.resize(PROJECT, n))
        callers.submit(key)
    callers.world.settle_down()


def limited_later(callers: Callers) -> None:
    """A limit is set when one call was charged and another is held; it knows of both."""
    callers.submit("second")
    callers.insist(lambda: limit_project(total_micros=3 * PRICE_MICROS))
    callers.submit("third")
    status, refused = callers.ask("POST", "/v1/generate/media", FOX, "fourth")
    if status != 402:
        callers.found.append(f"a fourth under a limit for three was answered {status}: {refused}")
    callers.world.settle_down()


def limited(callers: Callers) -> None:
    """A key's limit for one call of the day and a project's for two: the key asks for two, then others for two."""
    told = []
    for key, api_key in (("a", callers.limited_key), ("b", callers.limited_key), ("c", ""), ("d", "")):
        status, answer = callers.ask("POST", "/v1/generate/media", FOX, key, api_key)
        told.append(answer.get("scope") if status == 402 else status)
    callers.expect(f"they were told {told}", told == [202, "key", 202, "project"])
    callers.world.settle_down()


def dearer_meanwhile(callers: Callers) -> None:
    """Price and rate change while a generation runs: it is billed as it was quoted, in the currency's old rate."""
    generation_id = callers.submit()
    models = [priced(model, "0.078") for model in callers.world.compiled["models"]]
    callers.insist(lambda: catalog.publish(callers.world.compiled | {"models": models}))
    callers.insist(lambda: tables.ReferenceRates.of(date(2026, 11, 21), {"USD": "2", "EUR": "1"}, "now").insert())
    catalog.forget()
    fx.forget()
    callers.world.settle_down()
    if callers.look(generation_id)["status"] == "completed":
        body = callers.insist(lambda: tables.Record.find(generation_id)).body
        callers.expect(f"the record says {body['fx']}", (body["fx"] or {}).get("rate") == "0.8")
    callers.submit("later")
    callers.expect("a new price was not taken", callers.prices_micros[key_of("later")] == 2 * PRICE_MICROS)
    callers.world.settle_down()


def crowded(callers: Callers) -> None:
    """Credits for two, asked for by three."""
    callers.submit("a")
    callers.submit("b")
    status, refused = callers.ask("POST", "/v1/generate/media", FOX, "c")
    callers.expect(f"a third was answered {status}: {refused}", status == 402)
    callers.world.settle_down()


# What is there before


def delivered_before(callers: Callers) -> None:
    """A generation that was delivered and charged."""
    callers.submit()
    callers.world.settle_down()


def credits_for_two(callers: Callers) -> None:
    """All but 80,000 micros are gone."""
    ledger.adjust(PROJECT, 80_000 - GRANTED_MICROS, "gone", "gone")
    callers.granted_micros = 80_000


def spread_thin(callers: Callers) -> None:
    """Four shards with half a price each."""
    ledger.adjust(PROJECT, 20_000 - GRANTED_MICROS, "gone", "gone")
    account = ledger.resize(PROJECT, 4)
    bare = {1, 2, 3}
    for grant_id in map(str, itertools.count()):
        if (home := account.home(f"grant-{PROJECT}#{grant_id}")) in bare:
            ledger.grant(PROJECT, 20_000, grant_id)
            bare.remove(home)
        if not bare:
            break
    callers.granted_micros = 80_000


def limit_for_two(callers: Callers) -> None:
    """The project may spend what two calls cost in a month, and one of its keys what one costs in a day."""
    limit_project(month_micros=2 * PRICE_MICROS)
    limit = {"day_micros": PRICE_MICROS}
    callers.limited_key = keys.create(PROJECT, "limited", spending_limit=limit)["api_key"]


def in_euros(_callers: Callers) -> None:
    """The account is in euros, at 0.8 a dollar."""
    ledger.project_of(PROJECT).change([tables.Project.currency.set("EUR")])
    tables.ReferenceRates.of(date(2026, 11, 20), {"USD": "1.25", "EUR": "1"}, "now").insert()
    fx.forget()


def failed_often(callers: Callers) -> None:
    """Five generations were turned away by their first offer."""
    for number in range(5):
        callers.submit(f"before {number}")
    callers.world.settle_down()


# Catalogs


def two_offers(compiled: dict[str, Any]) -> None:
    """A second offer of every model, at another provider."""
    for model in compiled["models"]:
        first = model["offers"][0]
        model["offers"].append(first | {"offer_id": f"{model['id']}@replicate", "provider": "replicate"})


def billed_by_report(compiled: dict[str, Any]) -> None:
    """The price of an image is that of what the provider counted, twice the images asked for at most."""
    for model in compiled["models"]:
        model["meters"] |= {
            "counted": {"sum_of": ["outputs"], "usage": "media_output_tokens", "maximum": "counted_max"},
            "counted_max": {"input": "num_images", "multiply_by": 2},
        }
        for component in model["price_books"][0]["rows"][0]["components"]:
            component |= {"unit": "mtok_media_output", "meter": "counted"}


def cheaper_model(compiled: dict[str, Any]) -> None:
    """A second model, of a lower tier and at half the price, at another provider; the first is of the highest tier."""
    (first,) = compiled["models"]
    offer = first["offers"][0] | {"offer_id": "small-banana@replicate", "provider": "replicate"}
    endpoints = [endpoint | {"endpoint": f"small/{number}"} for number, endpoint in enumerate(offer["endpoints"])]
    second = priced(first, "0.0195") | {"id": "small-banana", "quality": "fast"}
    compiled["models"] = [first | {"quality": "ultra"}, second | {"offers": [offer | {"endpoints": endpoints}]}]


def priced(model: Mapping[str, Any], rate: str) -> dict[str, Any]:
    """A model at another rate throughout."""
    book = model["price_books"][0]
    rows = [row | {"components": [one | {"rate": rate} for one in row["components"]]} for row in book["rows"]]
    return {**model, "price_books": [book | {"rows": rows, "version": f"2026-01-01-at-{rate}"}]}


# Rivals


def _rival_submit(callers: Callers) -> None:
    callers.world.request("POST", "/v1/generate/media", FOX, headers={"Idempotency-Key": "k"})


def _rival_cancel(callers: Callers) -> None:
    callers.world.request("POST", f"/v1/generations/{key_of('k')}/cancel")


def _rival_webhooks(callers: Callers) -> None:
    for told in list(callers.world.provider.submissions.values()):
        if told.webhook_url:
            callers.world.provider.call_back(told)


def _rival_step(name: str) -> Callable[[Callers], None]:
    def act(callers: Callers) -> None:
        with suppress(Exception):  # a step that is not due may say so
            callers.world._call(name, {"generation_id": key_of("k")})

    return act


def _rival_execution(callers: Callers) -> None:
    """Another execution takes the generation up from the beginning."""
    with suppress(Exception):
        callers.world._call("submit_attempt", {"generation_id": key_of("k"), "task_token": "token-of-a-rival"})


def _rival_pause(callers: Callers) -> None:
    """The process stands still for twelve minutes, and the reconciler looks meanwhile."""
    callers.world.clock.seconds += 720
    callers.world._guarded(lambda: callers.world._call("reconcile", {}))


def _rival_operator(callers: Callers) -> None:
    with suppress(BadRequest, GatewayError):
        ledger.refund(key_of("k"), 1_000, "rival")


def _rival_limit(_callers: Callers) -> None:
    limit_project(day_micros=GRANTED_MICROS)


def _rival_resize(_callers: Callers) -> None:
    """Grow to three shards, or shrink to one again."""
    ledger.resize(PROJECT, 1 if ledger.account_of(PROJECT).shard_count == 3 else 3)


def _rival_spender(callers: Callers) -> None:
    """Another caller takes credits from under the levelling; its batch never comes, so they return."""
    account = ledger.account_of(PROJECT)
    with suppress(InsufficientCredits, GatewayError, tables.ConditionFailed):
        wanted = [ledger.Reservation(f"gen_rival_{number}", PRICE_MICROS // 4) for number in range(2)]
        ledger.reserve(account, callers.world.key_id, wanted, [], ids.now(), None)


RIVALS: dict[str, Callable[[Callers], None]] = {
    "submit": _rival_submit,
    "cancel": _rival_cancel,
    "webhooks": _rival_webhooks,
    "execution": _rival_execution,
    "poll": _rival_step("poll_attempt"),
    "collect": _rival_step("collect_outputs"),
    "settle": _rival_step("settle"),
    "fail": _rival_step("fail"),
    "pause": _rival_pause,
    "refund": _rival_operator,
    "limit": _rival_limit,
    "resize": _rival_resize,
    "spender": _rival_spender,
}
"""What somebody else may do between any two calls of a path."""
OF_ONE = ("cancel", "webhooks", "execution", "poll", "collect", "settle", "fail", "pause", "limit", "resize", "submit")
OF_MONEY = ("limit", "resize", "spender", "pause")


@dataclass(frozen=True)
class Path:
    """A story, the provider's part in it, and how it usually ends."""

    story: Callable[[Callers], None] = one
    usual: str = "completed"
    before: Callable[[Callers], None] | None = None
    provider: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the scripted provider."""
    changed: Callable[[dict[str, Any]], None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    rivals: tuple[str, ...] = OF_ONE
    billed_micros: int = PRICE_MICROS
    """What a completed generation of the key `k` is charged."""
    may_end: frozenset[str] = frozenset({"failed"})
    """Ends that crashes may bring about beside the usual one."""
    paid_at_most: int = 1
    """Submissions to providers that one generation may cost."""


# Waiting out is the same however long it takes; a short deadline leaves fewer looks to fail at.
SHORT = {"DEADLINE_SECONDS_MAX": "30"}
RACED = frozenset({"failed", "completed"})
_LOST = Path(usual="failed", provider={"script": "lose_answer", "loses_webhooks": True}, environment=SHORT)
PATHS: dict[str, Path] = {
    "delivered": Path(),
    "delivered at once": Path(provider={"script": "deliver_at_once"}),
    "failed at the provider": Path(usual="failed", provider={"script": "fail"}),
    "refused by the provider": Path(usual="failed", provider={"script": "refuse"}),
    "answer lost, webhook lost": _LOST,
    "answer lost": Path(provider={"script": "lose_answer"}),
    "answer lost, found by our id": Path(provider={"script": "lose_answer", "loses_webhooks": True, "finds": True}),
    "webhook lost": Path(provider={"loses_webhooks": True}),
    "webhook before the answer": Path(provider={"script": "call_back_early"}),
    "status flaps": Path(provider={"script": "flap"}),
    "output expired at first": Path(provider={"script": "expire"}),
    "nothing in the output": Path(usual="failed", provider={"script": "deliver_nothing"}),
    "fallback after a refusal": Path(provider={"script": "turn_away, deliver"}, changed=two_offers),
    "fallback after a failure": Path(provider={"script": "fail, deliver"}, changed=two_offers, paid_at_most=2),
    "fallback across models": Path(
        by_mode,
        provider={"script": "turn_away, deliver"},
        changed=cheaper_model,
        rivals=OF_ONE[:-1],
        billed_micros=PRICE_MICROS // 2,
    ),
    "fallback across models after a failure": Path(
        by_mode,
        provider={"script": "fail, deliver"},
        changed=cheaper_model,
        rivals=OF_ONE[:-1],
        billed_micros=PRICE_MICROS // 2,
        paid_at_most=2,
    ),
    "no other model while it may run": replace(_LOST, story=by_mode, changed=cheaper_model, rivals=OF_ONE[:-1]),
    "an offer is passed over": Path(
        passed_over, before=failed_often, provider={"script": "turn_away, deliver"}, changed=two_offers
    ),
    "fallback fails too": Path(usual="failed", provider={"script": "turn_away, fail"}, changed=two_offers),
    "no fallback while it may run": replace(_LOST, changed=two_offers),
    "cancelled before the attempt": Path(cancelled_at(0), "cancelled"),
    "cancelled while it runs": Path(cancelled_at(3), "cancelled", may_end=RACED),
    "cancelled as it is accepted": Path(cancelled_at(0.01), "cancelled", may_end=RACED),
    "cancelled too late": Path(cancelled_at(None), may_end=frozenset({"failed", "cancelled"})),
    "three of four outputs": Path(
        four,
        provider={"outputs": 3},
        rivals=OF_ONE[:-1],
        billed_micros=3 * PRICE_MICROS,
    ),
    "usage above the hold": Path(
        provider={"usage": {"media_output_tokens": 7}}, changed=billed_by_report, billed_micros=2 * PRICE_MICROS
    ),
    "batch under a key": Path(batch(True), rivals=OF_MONEY),
    "batch without a key": Path(batch(False), rivals=OF_MONEY),
    "refunded": Path(refunded, before=delivered_before, rivals=("refund", "limit", "resize", "cancel", "settle")),
    "granted and adjusted": Path(adjusted, rivals=OF_MONEY),
    "levelled": Path(before=spread_thin, rivals=("limit", "resize", "submit", "spender")),
    "resized": Path(resized, rivals=("limit", "spender", "pause")),
    "limited while held": Path(limited_later, before=delivered_before, rivals=("cancel", "resize", "refund")),
    "limited": Path(limited, before=limit_for_two, rivals=("resize", "limit")),
    "price and rate change": Path(dearer_meanwhile, before=in_euros),
    "credits for two of three": Path(crowded, before=credits_for_two, rivals=("resize", "limit")),
}  # fmt: skip
