"""The European Central Bank's reference rates under `/ecb`, in its two formats, from the sample that lies beside this.

The rates are invented, and the same on every date: what a laptop bills in another currency can be worked out by hand.
Only the dates are true: the newest is the last working day before today (UTC), as on a morning before publication.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

HISTORY_DAYS = 90
_SAMPLE = Path(__file__).with_name("eurofxref-daily.xml").read_text("utf-8")
_DAY = re.compile(r"<Cube time=.*?</Cube>", re.DOTALL)
_RATE = re.compile(r"currency='([A-Z]+)' rate='([0-9.]+)'")


def daily(today: date) -> str:
    """The document of the last publication before `today`."""
    return re.sub(r"time='[0-9-]+'", f"time='{next(working_days(today))}'", _SAMPLE)


def history(today: date) -> str:
    """The document of the 90 days before `today`. Unlike the daily one it drops zeros at the end of a rate."""
    rates = "".join(
        f'<Cube currency="{currency}" rate="{rate.rstrip("0").rstrip(".")}"/>'
        for currency, rate in _RATE.findall(_SAMPLE)
    )
    days = "".join(f'<Cube time="{day}">{rates}</Cube>' for day in working_days(today))
    return _DAY.sub(lambda _: days, _SAMPLE)


def working_days(today: date) -> Iterator[date]:
    """Mondays to Fridays of the 90 days before `today`, newest first; of the banks' holidays it knows none."""
    days = (today - timedelta(days=number) for number in range(1, HISTORY_DAYS + 1))
    return (day for day in days if day.weekday() < 5)


async def _daily(_request: Request) -> Response:
    return Response(daily(datetime.now(UTC).date()), media_type="text/xml")


async def _history(_request: Request) -> Response:
    return Response(history(datetime.now(UTC).date()), media_type="text/xml")


ROUTES = [
    Route("/stats/eurofxref/eurofxref-daily.xml", _daily, methods=["GET"]),
    Route("/stats/eurofxref/eurofxref-hist-90d.xml", _history, methods=["GET"]),
]
