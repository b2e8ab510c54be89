"""Dead-letter queues: where an event goes that could not be handled, to be looked at and sent again."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.nag import accept


class DeadLetters(sqs.Queue):
    """A queue that keeps failed events for two weeks; TLS only."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(
            scope,
            name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        accept(self, {"AwsSolutions-SQS3": "It is a dead-letter queue itself; an alarm watches its depth."})

    def accept_from(self, service: str, source_arn: str) -> None:
        """Let one AWS resource put events here."""
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service)],
                actions=["sqs:SendMessage"],
                resources=[self.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": source_arn}},
            )
        )
