"""The choice: what is dropped and why, what comes first, and that equal inputs have one order."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.routing import MODES, PREFERENCES, TIERS, Candidate, Health, Policy, Wish, ranked


def candidate(model: str = "a", **facts: Any) -> Candidate:
    usual = {
        "offer": f"{model}@{facts.get('provider', 'fal')}",
        "provider": "fal",
        "position": 0,
        "quality": "standard",
        "seconds": 10,
        "expected_micros": 1000,
        "maximum_micros": 1000,
    }
    return Candidate(model=model, **{**usual, **facts})


def order(*candidates: Candidate, **policy: Any) -> list[str]:
    return [one.candidate.model for one in ranked(candidates, Policy(**policy)) if one.kept]


healths = st.builds(
    Health,
    state=st.sampled_from(["closed", "half_open", "open"]),
    success_rate=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    p50_seconds=st.sampled_from([None, 0.5, 10.0]),
    probe=st.booleans(),
)
candidates = st.lists(
    st.builds(
        candidate,
        st.sampled_from("abcdef"),
        provider=st.sampled_from(["fal", "openai", "kie"]),
        position=st.integers(0, 2),
        quality=st.sampled_from(TIERS),
        seconds=st.sampled_from([1, 10, 10, 60]),
        expected_micros=st.sampled_from([0, 1, 1000, 1000, 50_000]),
        maximum_micros=st.sampled_from([1000, 50_000]),
        cost_micros=st.sampled_from([None, 1, 900]),
        health=healths,
        unfit=st.sampled_from(["", "", "", "no"]),
    ),
    max_size=12,
    unique_by=lambda one: one.offer,
)
policies = st.builds(
    Policy,
    prefer=st.sampled_from(PREFERENCES),
    max_price_micros=st.sampled_from([None, 0, 1000]),
    quality_min=st.sampled_from([None, *TIERS]),
    providers=st.sampled_from([(), ("fal", "kie")]),
    exclude_providers=st.sampled_from([(), ("fal",)]),
    models=st.sampled_from([(), ("a", "b", "c")]),
    exclude_models=st.sampled_from([(), ("a",)]),
    fallback_order=st.sampled_from([(), ("c", "a")]),
)


@given(candidates, policies, st.randoms(use_true_random=False))
def test_equal_inputs_have_one_order_and_everybody_a_reason(
    found: list[Candidate], policy: Policy, chance: random.Random
) -> None:
    shuffled = chance.sample(found, len(found))
    first, again = ranked(found, policy), ranked(shuffled, policy)
    with_all = [
        one for one in ranked(found, policy, keeps_down=True) if one.kept and one.candidate.health.state != "open"
    ]
    assert with_all == [one for one in first if one.kept]
    assert first == again
    assert sorted(one.candidate.offer for one in first) == sorted(one.offer for one in found)
    assert [one.kept for one in first] == sorted((one.kept for one in first), reverse=True)
    assert all(one.reason for one in first)
    assert not any(one.kept and (one.candidate.unfit or one.candidate.health.state == "open") for one in first)


@given(candidates, policies)
def test_who_is_taken_away_changes_nothing_for_the_others(found: list[Candidate], policy: Policy) -> None:
    whole = ranked(found, policy)
    for left_out in found:
        rest = [one for one in found if one != left_out]
        assert ranked(rest, policy) == tuple(one for one in whole if one.candidate != left_out)


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [("price", "dpsu"), ("quality", "upsd"), ("speed", "dspu"), ("balanced", "pusd")],
)
def test_what_is_preferred_comes_first(prefer: str, expected: str) -> None:
    found = (
        candidate("d", quality="fast", seconds=2, expected_micros=5_000),
        candidate("s", quality="standard", seconds=8, expected_micros=39_000),
        candidate("p", quality="pro", seconds=15, expected_micros=30_000),
        candidate("u", quality="ultra", seconds=25, expected_micros=70_000),
    )
    found = (replace(found[0], seconds=7, expected_micros=29_000), *found[1:])
    assert "".join(order(*found, prefer=prefer)) == expected


def test_of_equals_the_cheaper_for_us_then_the_sooner_then_the_catalogs_first() -> None:
    same = [candidate("a", offer=f"a@{n}", position=n) for n in range(3)]
    assert [one.candidate.position for one in ranked(reversed(same), Policy(prefer="price"))] == [0, 1, 2]
    sooner = replace(same[2], health=Health(p50_seconds=3.0))
    assert ranked([*same, sooner][1:], Policy(prefer="price"))[0].candidate == sooner
    cheaper = replace(same[1], cost_micros=10)
    assert ranked([same[0], cheaper, sooner], Policy(prefer="price"))[0].candidate == cheaper


def test_who_fails_half_the_time_takes_twice_as_long() -> None:
    doubtful = candidate("a", seconds=10, health=Health(success_rate=0.5))
    assert order(doubtful, candidate("b", seconds=19), prefer="speed") == ["b", "a"]
    assert order(doubtful, candidate("b", seconds=21), prefer="speed") == ["a", "b"]


def test_an_open_breaker_is_left_alone_a_half_open_one_comes_last_but_for_a_probe() -> None:
    half = candidate("a", expected_micros=1, health=Health("half_open"))
    well, down = candidate("b"), candidate("c", expected_micros=1, health=Health("open"))
    assert order(half, well, down, prefer="price") == ["b", "a"]
    every = ranked([down, half, well], Policy(prefer="price"), keeps_down=True)
    assert [one.candidate.model for one in every if one.kept] == ["b", "a", "c"]
    assert order(half, well, down, prefer="price", fallback_order=("a",)) == ["b", "a"]
    assert order(replace(half, health=Health("half_open", probe=True)), well, prefer="price") == ["a", "b"]
    assert (
        ranked([down], Policy())[0].reason
        == "The provider has failed too often of late, and is left alone for a while."
    )


def test_a_given_order_comes_before_any_preference() -> None:
    found = [candidate(name, expected_micros=price) for name, price in (("a", 3), ("b", 2), ("c", 1))]
    assert order(*found, prefer="price", fallback_order=("a", "b")) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"models": ("b",)}, "It is not one of the models that were allowed."),
        ({"exclude_models": ("a",)}, "The model was excluded."),
        ({"providers": ("kie",)}, "The provider fal is not one of those that were asked for."),
        ({"exclude_providers": ("fal",)}, "The provider fal was excluded."),
        ({"quality_min": "pro"}, "Its quality is standard; pro is the least that was asked for."),
        ({"max_price_micros": 999}, "It may cost 1000 micros; 999 are the most that was allowed."),
    ],
)
def test_each_reason_is_said(policy: dict[str, Any], reason: str) -> None:
    (only,) = ranked([candidate()], Policy(**policy))
    assert (only.kept, only.reason) == (False, reason)
    (refused,) = ranked([candidate(unfit="It is too long.")], Policy(**policy))
    assert refused.reason == "It is too long."


def test_several_modes_need_what_each_needs() -> None:
    assert Wish("chat+image").required == {"text", "image-gen"}
    assert Wish("video", ("image-to-video",)).required == {"video-gen", "image-to-video"}
    assert Wish().required == frozenset()
    for unknown in ("chat+", "painting", "chat image"):
        with pytest.raises(BadRequest) as refusal:
            _ = Wish(unknown).required
        assert refusal.value.error_code == "unknown_mode"
        assert refusal.value.fields["allowed"] == list(MODES)
