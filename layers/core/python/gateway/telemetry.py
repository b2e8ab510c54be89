"""Structured logs and metrics. Every line carries the ids that lead from a request to its attempts."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(utc=True, use_rfc3339=True)


@cache
def metrics() -> Metrics:
    """The metrics of this container, written to the log in CloudWatch's embedded format."""
    return Metrics()


def bind(**ids: Any) -> None:
    """Put ids (request_id, project_id, generation_id, attempt_id) on every line that follows."""
    logger.append_keys(**{name: value for name, value in ids.items() if value is not None})


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """Add to a counter, as an event of its own dimensions (each call is one embedded metric)."""
    _emit(name, MetricUnit.Count, value, dimensions)


def seconds(name: str, value: float, **dimensions: str) -> None:
    """Record a duration in seconds."""
    _emit(name, MetricUnit.Seconds, value, dimensions)


def micros(name: str, value: int, **dimensions: str) -> None:
    """Record an amount of money in micros."""
    _emit(name, MetricUnit.Count, value, dimensions)


def _emit(name: str, unit: MetricUnit, value: float, dimensions: dict[str, str]) -> None:
    from aws_lambda_powertools import single_metric

    with single_metric(name=name, unit=unit, value=value) as metric:
        for key, text in dimensions.items():
            metric.add_dimension(key, text)
