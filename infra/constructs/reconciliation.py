"""The schedule of the reconciler."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.queues import DeadLetters


class Reconciliation(Construct):
    """Calls `reconcile` every minute. A run that fails is not repeated: the next one sees the same and more."""

    def __init__(self, scope: Construct, reconcile: lambda_.Function, failures: DeadLetters) -> None:
        super().__init__(scope, "Reconciliation")
        rule = events.CfnRule(
            self,
            "EveryMinute",
            schedule_expression=events.Schedule.rate(Duration.minutes(1)).expression_string,
            targets=[
                events.CfnRule.TargetProperty(
                    id="reconcile",
                    arn=reconcile.function_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=failures.queue_arn),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=60, maximum_retry_attempts=1
                    ),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=reconcile.function_name,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
        failures.accept_from("events.amazonaws.com", rule.attr_arn)
        lambda_.CfnEventInvokeConfig(
            self,
            "OnFailure",
            function_name=reconcile.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=60,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=failures.queue_arn)
            ),
        )
