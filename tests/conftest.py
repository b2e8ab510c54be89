"""What must be set before anything of AWS or Powertools is imported."""

import os

import pytest
from hypothesis import HealthCheck, settings

os.environ.update(
    {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "Museway",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
)

# A busy machine is no failure. What lands is judged by the same examples each time; at a desk they are new ones.
settings.register_profile(
    "patient", deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="all of what `make test` asks a part of (make whole)")
