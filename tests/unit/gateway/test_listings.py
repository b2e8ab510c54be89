"""What callers may ask of a listing."""

import pytest

from gateway import listings
from gateway.errors import InvalidField


@pytest.mark.parametrize(
    ("since", "until", "span"),
    [
        (None, None, ("0", "9")),
        ("2026-11-21", None, ("2026-11-21T00:00:00.000000Z", "9")),
        (None, "2026-11-21T03:45:00Z", ("0", "2026-11-21T03:45:00.000000Z")),
        ("2026-11-21T03:45:00+02:00", None, ("2026-11-21T01:45:00.000000Z", "9")),
        ("2026-11-21T03:45:00 02:00", None, ("2026-11-21T01:45:00.000000Z", "9")),  # `+` as a query shows it
        ("2026-11-21", "2026-11-21", ("2026-11-21T00:00:00.000000Z",) * 2),
    ],
)
def test_times_become_positions(since: str | None, until: str | None, span: tuple[str, str]) -> None:
    assert listings.span(since, until) == span
    assert span[0] >= listings.FIRST
    assert span[1] <= listings.LAST


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [
        ("yesterday", None, "since"),
        ("", None, "since"),
        (None, "2026-13-01", "until"),
        (None, "0001-01-01T00:00:00+10:00", "until"),
        ("2026-11-22", "2026-11-21", "until"),
    ],
)
def test_what_is_no_interval_is_refused(since: str | None, until: str | None, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        listings.span(since, until)
    assert refused.value.fields["field"] == field


def test_limits_are_held_to_their_range() -> None:
    assert [listings.checked_limit(limit) for limit in (1, 100)] == [1, 100]
    for limit in (0, -1, 101):
        with pytest.raises(InvalidField):
            listings.checked_limit(limit)
    with pytest.raises(InvalidField):
        listings.checked_limit(32, 31)
