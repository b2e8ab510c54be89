"""The jobs table's stream as the outbox: what was committed is dispatched."""

import json
from typing import Any

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.queues import DeadLetters

_OPEN, _FINAL = ["pending", "processing"], ["completed", "failed", "cancelled"]
RECORD_AGE_SECONDS = 3600
RETRIES = 8


class Outbox(Construct):
    """Calls `dispatch` for a generation that was inserted and for one that became final; for nothing else."""

    def __init__(
        self, scope: Construct, dispatch: lambda_.Function, table: dynamodb.Table, failures: DeadLetters
    ) -> None:
        super().__init__(scope, "Outbox")
        lambda_.CfnEventSourceMapping(
            self,
            "Mapping",
            event_source_arn=table.table_stream_arn,
            function_name=dispatch.function_name,
            starting_position="TRIM_HORIZON",
            batch_size=20,
            # One bad record must not hold up the others: halve the batch, name the failed, then put it aside.
            bisect_batch_on_function_error=True,
            function_response_types=["ReportBatchItemFailures"],
            maximum_retry_attempts=RETRIES,
            maximum_record_age_in_seconds=RECORD_AGE_SECONDS,
            parallelization_factor=4,
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=failures.queue_arn)
            ),
            filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
                filters=[
                    lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(pattern)) for pattern in PATTERNS
                ]
            ),
        )


def _generation(event: str, **images: dict[str, Any]) -> dict[str, Any]:
    return {"eventName": [event], "dynamodb": {"Keys": {"sk": {"S": ["GENERATION"]}}, **images}}


PATTERNS = (
    _generation("INSERT"),
    _generation("MODIFY", OldImage={"status": {"S": _OPEN}}, NewImage={"status": {"S": _FINAL}}),
)
