"""Functions that run by the clock, made from the manifest."""

from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import manifest, naming
from infra.constructs.estate import Estate
from infra.constructs.functions import Functions
from infra.constructs.queues import DeadLetters


class Schedules(Construct):
    """Every schedule of the manifest."""

    def __init__(self, scope: Construct, functions: Functions, estate: Estate) -> None:
        super().__init__(scope, "Schedules")
        for schedule in manifest.SCHEDULES:
            Scheduled(self, schedule, functions[schedule.function], estate.queues[schedule.failures])


class Scheduled(Construct):
    """One function's rules. What cannot be delivered or fails to its last repeat lies in the dead-letter queue."""

    def __init__(
        self, scope: Construct, schedule: manifest.Schedule, function: lambda_.Function, failures: DeadLetters
    ) -> None:
        super().__init__(scope, naming.logical_id(schedule.function))
        for number, time in enumerate(schedule.times):
            self._rule(number, time, schedule, function, failures)
        lambda_.CfnEventInvokeConfig(
            self,
            "OnFailure",
            function_name=function.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=schedule.retries,
            maximum_event_age_in_seconds=schedule.age_seconds_max,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=failures.queue_arn)
            ),
        )

    def _rule(
        self,
        number: int,
        time: str,
        schedule: manifest.Schedule,
        function: lambda_.Function,
        failures: DeadLetters,
    ) -> None:
        rule = events.CfnRule(
            self,
            f"Rule{number}",
            schedule_expression=time,
            targets=[
                events.CfnRule.TargetProperty(
                    id=schedule.function,
                    arn=function.function_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=failures.queue_arn),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=schedule.age_seconds_max, maximum_retry_attempts=1
                    ),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            f"Permission{number}",
            action="lambda:InvokeFunction",
            function_name=function.function_name,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
        failures.accept_from("events.amazonaws.com", rule.attr_arn)
