"""What the performance budget is held against: figures, never a test that fails on a slow machine.

`make bench` measures everything and writes `RESULTS.md`. Times are processor time of this process, so that
a busy machine disturbs them little; the store is answered at the wire (`wire`), so that all of our own work
and botocore's counts, and the network does not.
"""

import os

# What must be set before anything of AWS or Powertools is imported.
os.environ.update(
    {
        "STAGE": "bench",
        "CATALOG_TABLE": "catalog",
        "PROJECTS_TABLE": "projects",
        "JOBS_TABLE": "jobs",
        "LEDGER_TABLE": "ledger",
        "PUBLIC_URL": "https://museway.test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "Museway",
    }
)
