"""Structured logs and metrics. Every line carries the ids that lead from a request to its attempts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

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


def measure(values: Mapping[str, int | float], **dimensions: str) -> None:
    """Write metrics as one line of CloudWatch's embedded format, together with their dimensions.

    Names ending in `Seconds` are durations; all others, amounts in micros too, are counts.
    """
    metrics = EphemeralMetrics()
    for name, value in values.items():
        unit = MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count
        metrics.add_metric(name=name, unit=unit, value=value)
    for name, text in dimensions.items():
        metrics.add_dimension(name=name, value=text)
    metrics.flush_metrics()
