"""A balance over several shards: holds find the money wherever it lies, and every shard adds up by itself."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import astuple
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.dynamodb import responses

from gateway import audit, ids, ledger, operator, reconcile, tables
from gateway.errors import Conflict, GatewayError, InsufficientCredits, InvalidField, Unavailable
from gateway.ledger import accounts, transfers
from gateway.ledger.accounts import Account
from tests import invariants
from tests.integration.world import GRANTED_MICROS, PROJECT, World, world

SPLIT = "split"
PRICE_MICROS = 39_000
BARE = "holds and charges of the ledger alone, without generations; `unsound` checks the rest"


@pytest.fixture
def museway() -> Iterator[World]:
    with world(in_memory=True, models={"nano-banana"}) as made:
        made.tampered = BARE
        yield made


def split(*micros: int) -> Account:
    """A project whose shards have exactly so much available."""
    operator.perform({"action": "project.create", "project_id": SPLIT, "name": "Split"})
    ledger.grant(SPLIT, sum(micros), "all")
    project = ledger.project_of(SPLIT)
    project.change([tables.Project.shard_count.set(len(micros)), tables.Project.shards_ever.set(len(micros))])
    account = Account.of(project)
    for shard in range(1, len(micros)):
        tables.Balance.key(SPLIT, shard).insert()
        if micros[shard]:
            assert accounts._move(account, shard, {0: micros[shard]})
    return account


def available(account: Account) -> list[int]:
    return [int(balance.available_micros) for balance in accounts.balances(account)]


def names(account: Account, home: int) -> Iterator[str]:
    """Generations whose first shard is this."""
    return (name for number in itertools.count() if account.home(name := f"gen_{number}") == home)


def hold(account: Account, name: str, micros: int) -> tables.Hold:
    ledger.reserve(account, "key", [ledger.Reservation(name, micros)], [], ids.now(), lambda _: None)
    return ledger.hold_of(name)


def close(name: str, charge_micros: int | None) -> None:
    """Settle a hold for a charge, or release it."""
    with tables.transaction() as tx:
        held, now = ledger.hold_of(name), ids.now()
        if charge_micros is None:
            ledger.release(tx, held, now)
        else:
            record = {"generation_id": name, "amount_micros": charge_micros, "session_id": None}
            ledger.settle(tx, held, record | {"created_at": ids.timestamp(now)}, now)


def level_entries(account: Account) -> list[dict[int, int]]:
    found = tables.listed(tables.Entry.by_listing, account.listings("LEVEL"))
    return [{int(shard): micros for shard, micros in entry.moves.items()} for entry in found]


def unsound(museway: World) -> list[str]:
    """What does not add up on any shard, on the raw tables and by the operator's own audit."""
    stored = invariants.Stored.of(museway.dynamodb, "jobs", "ledger")
    told = [fault for project in tables.Project.every() for fault in audit.faults(project)]
    return [*invariants._conservation(stored), *invariants._refunds(stored), *told]


# Where a hold comes from.


@pytest.mark.parametrize("home", [0, 1, 2])
def test_a_hold_comes_from_its_own_shard_where_that_has_enough(museway: World, home: int) -> None:
    account = split(10, 10, 10)
    assert hold(account, next(names(account, home)), 10).shard == home
    assert available(account) == [0 if shard == home else 10 for shard in range(3)]
    assert unsound(museway) == []


def test_a_hold_goes_to_the_shard_that_has_enough(museway: World) -> None:
    account = split(5, 40, 20)
    before = len(level_entries(account))
    assert hold(account, next(names(account, 0)), 30).shard == 1
    assert hold(account, next(names(account, 1)), 20).shard == 2
    assert available(account) == [5, 10, 0]
    assert len(level_entries(account)) == before  # nothing was moved for it
    assert unsound(museway) == []


@pytest.mark.parametrize(("needed", "left"), [(10, 2), (12, 0)])
def test_where_none_has_enough_though_all_have_they_are_levelled_in_one_transaction(
    museway: World, needed: int, left: int
) -> None:
    account = split(3, 3, 3, 3)
    museway.clock.sleep(1)
    before, calls = len(level_entries(account)), len(museway.faults.calls)
    held = hold(account, "gen_one", needed)
    writes = [call for call in museway.faults.calls[calls:] if call == "TransactWriteItems"]
    assert len(writes) == 3  # the hold that found too little, the levelling, the hold
    [moves] = level_entries(account)[before:]
    assert sum(moves.values()) == 0
    assert moves[int(held.shard)] == needed - 3
    assert sum(available(account)) == left
    assert ledger.totals(account).held_micros == needed
    assert unsound(museway) == []


def test_whether_it_is_enough_is_decided_on_the_sum(museway: World) -> None:
    account = split(3, 3, 3, 3)
    with pytest.raises(InsufficientCredits) as refused:
        hold(account, "gen_one", 13)
    assert (refused.value.fields["needed_micros"], refused.value.fields["available_micros"]) == (13, 12)
    assert available(account) == [3, 3, 3, 3]
    assert tables.Hold.find("gen_one") is None


def test_a_negative_adjustment_is_levelled_too(museway: World) -> None:
    account = split(3, 3, 3, 3)
    assert ledger.adjust(SPLIT, -11, "a", "too much").available_micros == 1
    with pytest.raises(InsufficientCredits):
        ledger.adjust(SPLIT, -2, "b", "too much")
    assert sum(available(account)) == 1
    assert unsound(museway) == []


def test_a_batch_is_held_on_one_shard(museway: World) -> None:
    account = split(30, 30, 30)
    wanted = [ledger.Reservation(f"gen_{number}", 8) for number in range(10)]
    ledger.reserve(account, "key", wanted, [], ids.now(), lambda _: None)
    assert len({int(ledger.hold_of(one.generation_id).shard) for one in wanted}) == 1
    assert ledger.totals(account) == ledger.Totals(90, 10, 80, 0)
    assert unsound(museway) == []


@pytest.mark.parametrize(("charge", "spent"), [(7, 7), (0, 0), (10, 10), (None, 0)])
def test_a_hold_is_closed_on_its_own_shard(museway: World, charge: int | None, spent: int) -> None:
    account = split(10, 10, 10)
    shard = int(hold(account, "gen_one", 10).shard)
    close("gen_one", charge)
    assert available(account) == [10 - spent if one == shard else 10 for one in range(3)]
    assert [int(one.spent_micros) for one in accounts.balances(account)][shard] == spent
    assert unsound(museway) == []


def test_a_refund_returns_to_the_shard_that_was_charged(museway: World) -> None:
    account = split(10, 10, 10)
    hold(account, "gen_one", 10)
    close("gen_one", 10)
    ledger.refund("gen_one", 4, "r")
    assert sorted(available(account)) == [4, 10, 10]
    assert unsound(museway) == []


# Growing and shrinking.


def test_growing_spreads_the_money_so_that_holds_find_it_at_home(
    museway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DynamoDB takes 100 items in a transaction, moto still 25.
    monkeypatch.setattr(responses, "TRANSACTION_MAX_ITEMS", 100)
    for count in (8, 64):
        account = ledger.resize(PROJECT, count)
        shares = available(account)
        assert len(shares) == count
        assert min(shares) >= GRANTED_MICROS // count // 2
        assert sum(shares) == GRANTED_MICROS
        calls = len(museway.faults.calls)
        hold(account, f"gen_{count}", 1)
        assert museway.faults.calls[calls : calls + 1] == ["TransactWriteItems"]
        assert "TransactGetItems" not in museway.faults.calls[calls:]
        close(f"gen_{count}", None)
    assert unsound(museway) == []


def test_a_grant_is_spread_by_the_reconciler(museway: World) -> None:
    account = ledger.resize(PROJECT, 4)
    ledger.grant(PROJECT, 100 * GRANTED_MICROS, "much")
    assert min(available(account)) < GRANTED_MICROS
    assert reconcile.run()["levelled_micros"] > 0
    assert min(available(account)) >= 101 * GRANTED_MICROS // 4 - 3
    assert "levelled_micros" not in reconcile.run()
    assert unsound(museway) == []


def test_shrinking_with_open_holds_loses_nothing_and_later_returns_are_gathered(museway: World) -> None:
    account = ledger.resize(PROJECT, 8)
    held = [hold(account, next(names(account, shard)), 1_000) for shard in range(8)]
    after = ledger.resize(PROJECT, 2)
    assert (after.shard_count, after.shards_ever) == (2, 8)
    assert available(after)[2:] == [0] * 6
    assert ledger.totals(after) == ledger.Totals(GRANTED_MICROS, GRANTED_MICROS - 8_000, 8_000, 0)
    for one in held:
        close(one.generation_id, 400 if int(one.shard) % 2 else None)
    stranded = sum(available(after)[2:])
    assert stranded == 3 * 1_000 + 3 * 600
    assert reconcile.run()["levelled_micros"] == stranded
    assert available(after)[2:] == [0] * 6
    assert ledger.totals(after) == ledger.Totals(GRANTED_MICROS, GRANTED_MICROS - 1_600, 0, 1_600)
    assert hold(after, "gen_after", 1_000).shard < 2
    assert unsound(museway) == []


def test_what_returned_to_a_former_shard_counts_before_it_is_gathered(museway: World) -> None:
    account = split(6, 6)
    hold(account, name := next(names(account, 1)), 6)
    after = ledger.resize(SPLIT, 1)
    close(name, None)
    assert available(after) == [6, 6]
    assert hold(after, "gen_all", 12).shard == 0
    assert unsound(museway) == []


def test_who_read_the_account_before_it_grew_still_finds_the_money(museway: World) -> None:
    before = ledger.account_of(PROJECT)
    ledger.resize(PROJECT, 8)
    hold(before, "gen_one", GRANTED_MICROS)
    assert ledger.totals(ledger.account_of(PROJECT)).held_micros == GRANTED_MICROS
    assert unsound(museway) == []


@pytest.mark.parametrize("count", [0, -1, 65, True, 8.0, "8", None])
def test_a_number_of_shards_that_cannot_be_is_refused(museway: World, count: Any) -> None:
    with pytest.raises(InvalidField):
        ledger.resize(PROJECT, count)
    assert ledger.account_of(PROJECT) == Account(PROJECT)


def test_of_two_who_resize_at_once_one_is_told(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, others = accounts.project_of, iter([4])

    def read(project_id: str) -> tables.Project:
        project = real(project_id)
        for count in others:
            ledger.resize(project_id, count)
        return project

    monkeypatch.setattr(accounts, "project_of", read)
    with pytest.raises(Conflict):
        ledger.resize(PROJECT, 8)
    assert ledger.account_of(PROJECT) == Account(PROJECT, 4, 4)
    assert unsound(museway) == []


# Under traffic, through the API.


def test_calls_of_every_kind_add_up_on_every_shard(museway: World) -> None:
    ledger.resize(PROJECT, 8)
    scripts = itertools.cycle(["deliver", "fail", "refuse", "deliver"])
    for count in (8, 3):
        for _ in range(4):
            museway.provider.scripts[museway.generate()] = next(scripts)
        ledger.resize(PROJECT, count)
    museway.settle_down()
    assert museway.violations(at_rest=True) == []
    assert unsound(museway) == []
    totals = museway.totals()
    assert totals.spent_micros == 4 * PRICE_MICROS
    assert museway.request("GET", "/v1/balance")[1]["available_micros"] == totals.available_micros


def test_a_balance_is_read_at_one_moment(museway: World) -> None:
    ledger.resize(PROJECT, 8)
    calls = len(museway.faults.calls)
    assert museway.request("GET", "/v1/balance")[1]["granted_micros"] == GRANTED_MICROS
    assert Counter(museway.faults.calls[calls:])["TransactGetItems"] == 1


@pytest.mark.parametrize("path", ["/v1/records", "/v1/ledger"])
def test_pages_go_over_all_shards_newest_first_without_gap_or_repeat(museway: World, path: str) -> None:
    ledger.resize(PROJECT, 8)
    for number in range(8):
        museway.generate()
        # Some at the same moment, some apart.
        museway.clock.sleep(number % 3)
    museway.settle_down()
    ledger.resize(PROJECT, 2)
    everything = museway.request("GET", f"{path}?limit=100")[1]
    assert everything["next_cursor"] is None
    assert len(everything["items"]) == (8 if path == "/v1/records" else 17)
    times = [item["created_at"] for item in everything["items"]]
    assert times == sorted(times, reverse=True)
    found, cursor = [], ""
    while cursor is not None:
        page = museway.request("GET", f"{path}?limit=3" + (f"&cursor={cursor}" if cursor else ""))[1]
        assert len(page["items"]) <= 3
        found += page["items"]
        cursor = page["next_cursor"]
    assert found == everything["items"]
    assert len({tables.Hold.find(item["generation_id"]).shard for item in found if item["generation_id"]}) > 1


# Races: what others do between a read and a write.


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any], int], None]:
    """Lets something happen after each of the next few reads of the balances."""

    def arrange(happening: Callable[[], Any], times: int) -> None:
        real, left = accounts.balances, [times]

        def read(account: Account) -> Any:
            found = real(account)
            if left[0]:
                left[0] -= 1
                happening()
            return found

        monkeypatch.setattr(accounts, "balances", read)

    return arrange


def test_a_levelling_that_lost_its_race_looks_again(museway: World, meanwhile: Any) -> None:
    account = split(6, 6, 6, 6)
    others = iter([(f"other_{number}", number) for number in (1, 2, 3)])

    def take() -> None:
        name, shard = next(others)
        with tables.transaction() as tx:
            transfers._hold(tx, SPLIT, "key", shard, [ledger.Reservation(name, 1)], [], ids.now(), is_batch=False)

    meanwhile(take, 3)
    hold(account, "gen_one", 20)
    assert ledger.totals(account) == ledger.Totals(24, 1, 23, 0)
    assert unsound(museway) == []


def test_who_loses_the_last_of_it_is_refused_on_the_sum(museway: World, meanwhile: Any) -> None:
    account = split(6, 6)
    meanwhile(lambda: hold(account, "other", 6), 1)
    with pytest.raises(InsufficientCredits) as refused:
        hold(account, "gen_one", 12)
    assert refused.value.fields["available_micros"] == 6
    assert tables.Hold.find("gen_one") is None
    assert unsound(museway) == []


def test_money_that_keeps_moving_ends_in_a_clean_refusal(museway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    account = split(6, 6)
    monkeypatch.setattr(accounts, "_move", lambda *_: False)
    with pytest.raises(Unavailable):
        hold(account, "gen_one", 12)
    assert available(account) == [6, 6]
    assert tables.Hold.find("gen_one") is None


Cancel = Callable[..., list[str]]


@pytest.fixture
def cancel(monkeypatch: pytest.MonkeyPatch) -> Cancel:
    """Has the store cancel the next so many transactions, for a reason of one item or of the whole."""
    real = BaseClient._make_api_call

    def arrange(times: int, reason: str, operation: str = "TransactWriteItems", *, whole: bool = False) -> list[str]:
        met: list[str] = []

        def call(client: Any, name: str, arguments: Any) -> Any:
            if name != operation or len(met) >= times:
                return real(client, name, arguments)
            met.append(name)
            error: dict[str, Any] = {"Error": {"Code": reason if whole else "TransactionCanceledException"}}
            if not whole:
                items = len(arguments["TransactItems"])
                error["CancellationReasons"] = [*([{"Code": "None"}] * (items - 1)), {"Code": reason}]
            raise ClientError(error, name)  # type: ignore[arg-type]

        monkeypatch.setattr(BaseClient, "_make_api_call", call)
        return met

    return arrange


REASONS = [
    ("TransactionConflict", False),
    ("ThrottlingError", False),
    ("ProvisionedThroughputExceeded", False),
    ("TransactionInProgressException", True),
    ("ThrottlingException", True),
    ("RequestLimitExceeded", True),
    ("ProvisionedThroughputExceededException", True),
]


@pytest.mark.parametrize(("reason", "whole"), REASONS)
def test_what_passes_is_tried_again(museway: World, cancel: Cancel, reason: str, whole: bool) -> None:
    account = split(6, 6)
    met = cancel(3, reason, whole=whole)
    hold(account, "gen_one", 1)
    assert len(met) == 3
    assert ledger.totals(account) == ledger.Totals(12, 11, 1, 0)
    assert unsound(museway) == []


@pytest.mark.parametrize(("reason", "whole"), REASONS)
def test_what_does_not_pass_in_time_is_a_503_that_changed_nothing(
    museway: World, cancel: Cancel, reason: str, whole: bool
) -> None:
    ledger.resize(PROJECT, 4)
    before = museway.dynamodb.scan(TableName="ledger")["Items"]
    cancel(1_000, reason, whole=whole)
    status, body, _ = museway.request("POST", "/v1/generate/media", {"model": "nano-banana", "prompt": "a fox"})
    assert (status, body["error"]) == (503, "unavailable")
    assert museway.dynamodb.scan(TableName="ledger")["Items"] == before
    cancel(0, reason)
    museway.generate()
    assert museway.violations() == []


@pytest.mark.parametrize(("reason", "whole"), REASONS)
def test_where_writers_leave_no_moment_shards_are_read_one_by_one(
    museway: World, cancel: Cancel, reason: str, whole: bool
) -> None:
    account = split(6, 6)
    cancel(1_000, reason, "TransactGetItems", whole=whole)
    assert ledger.totals(account).available_micros == 12
    hold(account, "gen_one", 11)
    with pytest.raises(InsufficientCredits) as refused:
        hold(account, "gen_two", 2)
    assert refused.value.fields["available_micros"] == 1
    assert unsound(museway) == []


def test_what_will_never_pass_is_raised_at_once(museway: World, cancel: Cancel) -> None:
    account = split(6, 6)
    met = cancel(1_000, "ValidationError")
    with pytest.raises(Exception, match="transaction items") as raised:
        hold(account, "gen_one", 1)
    assert not isinstance(raised.value, GatewayError)
    assert len(met) == 1


# Any sequence of operations.

AMOUNTS = st.integers(1, 40)
OPERATIONS = st.one_of(
    st.tuples(st.just("hold"), AMOUNTS),
    st.tuples(st.just("hold"), AMOUNTS),
    st.tuples(st.just("settle"), st.integers(0, 40)),
    st.tuples(st.just("release"), st.just(0)),
    st.tuples(st.just("grant"), AMOUNTS),
    st.tuples(st.just("adjust"), st.integers(-40, -1)),
    st.tuples(st.just("refund"), AMOUNTS),
    st.tuples(st.just("resize"), st.integers(1, 8)),
    st.tuples(st.just("level"), st.just(0)),
)


class Model:
    """What the account comes to, in a few numbers; and the operations on the real one."""

    def __init__(self) -> None:
        split(100)
        self.granted, self.spent = 100, 0
        self.held: dict[str, int] = {}
        self.left: dict[str, int] = {}
        """What a settled one was charged and not refunded."""
        self.numbers = itertools.count()

    @property
    def available(self) -> int:
        return self.granted - self.spent - sum(self.held.values())

    @property
    def totals(self) -> ledger.Totals:
        return ledger.Totals(self.granted, self.available, sum(self.held.values()), self.spent)

    def perform(self, what: str, micros: int) -> None:
        number = f"any-{next(self.numbers)}"
        match what:
            case "hold":
                with pytest.raises(InsufficientCredits) if micros > self.available else nullcontext():
                    hold(ledger.account_of(SPLIT), number, micros)
                    self.held[number] = micros
            case "settle" if self.held:
                name, held = self.held.popitem()
                close(name, charge := min(held, micros))
                self.spent += charge
                self.left |= {name: charge} if charge else {}
            case "release" if self.held:
                close(self.held.popitem()[0], None)
            case "grant":
                ledger.grant(SPLIT, micros, number)
                self.granted += micros
            case "adjust":
                with pytest.raises(InsufficientCredits) if -micros > self.available else nullcontext():
                    ledger.adjust(SPLIT, micros, number, "x")
                    self.granted += micros
            case "refund" if self.left:
                name, charge = self.left.popitem()
                ledger.refund(name, given := min(charge, micros), number)
                self.spent -= given
                self.left |= {name: charge - given} if charge > given else {}
            case "resize":
                ledger.resize(SPLIT, micros)
            case "level":
                account = ledger.account_of(SPLIT)
                ledger.level(account)
                assert available(account)[account.shard_count :] == [0] * (account.shards_ever - account.shard_count)


@settings(max_examples=8)
@given(st.lists(OPERATIONS, min_size=5, max_size=15), st.integers(1, 8))
def test_any_sequence_of_operations_adds_up_on_every_shard(operations: list[tuple[str, int]], shard_count: int) -> None:
    # A world for each: the emulator copies its tables for every transaction.
    with world(in_memory=True, models={"nano-banana"}) as museway:
        museway.tampered = BARE
        model = Model()
        for what, micros in [("resize", shard_count), *operations]:
            model.perform(what, micros)
            found = accounts.balances(ledger.account_of(SPLIT))
            assert ledger.Totals.over(found) == model.totals
            for each in found:
                own = ledger.Totals.over([each])
                assert own.granted_micros == own.available_micros + own.held_micros + own.spent_micros
                assert min(astuple(own)) >= 0
        assert unsound(museway) == []
