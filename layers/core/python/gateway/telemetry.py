"""Structured logs and metrics. Every line carries the ids that lead from a request to its attempts."""

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(utc=True, use_rfc3339=True)

IDS = ("request_id", "project_id", "generation_id", "attempt_id", "provider")


def bind(**ids: str | None) -> None:
    """Put ids on every line that follows, until `forget`."""
    logger.append_keys(**{name: value for name, value in ids.items() if value is not None})


def forget() -> None:
    """Take the ids off again: the next invocation of this container is about something else."""
    logger.remove_keys(IDS)


@contextmanager
def step(generation_id: str) -> Iterator[None]:
    """One step of a generation, with its id on every line."""
    bind(generation_id=generation_id)
    try:
        yield
    finally:
        forget()


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """Add to a counter; one line in CloudWatch's embedded metric format."""
    _emit(name, MetricUnit.Count, value, dimensions)


def seconds(name: str, value: float, **dimensions: str) -> None:
    """Record a duration in seconds."""
    _emit(name, MetricUnit.Seconds, value, dimensions)


def micros(name: str, value: int, **dimensions: str) -> None:
    """Record an amount of money in micros."""
    _emit(name, MetricUnit.Count, value, dimensions)


def _emit(name: str, unit: MetricUnit, value: float, dimensions: dict[str, str]) -> None:
    with single_metric(name=name, unit=unit, value=value) as metric:
        for key, text in dimensions.items():
            metric.add_dimension(key, text)
