"""The DynamoDB tables, made from the manifest."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra import manifest, naming
from infra.settings import Settings

_TEXT, _NUMBER = dynamodb.AttributeType.STRING, dynamodb.AttributeType.NUMBER


class Tables(Construct):
    """Every table: on demand, restorable to any second, encrypted at rest.

    The encryption is DynamoDB's own: a customer key would add a KMS call, and its failure, to the money's path,
    and hold nothing back from anybody whom IAM lets read the table.
    """

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(scope, "Tables")
        self.by_name = {table.name: self._table(table, settings) for table in manifest.TABLES}

    def _table(self, table: manifest.Table, settings: Settings) -> dynamodb.Table:
        made = dynamodb.Table(
            self,
            naming.logical_id(table.name),
            partition_key=dynamodb.Attribute(name="pk", type=_TEXT),
            sort_key=dynamodb.Attribute(name="sk", type=_TEXT),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires_at" if table.expires else None,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if table.stream else None,
            deletion_protection=settings.retain_data,
            removal_policy=RemovalPolicy.RETAIN if settings.retain_data else RemovalPolicy.DESTROY,
        )
        for index in table.indexes:
            sort_type = _NUMBER if index.sort_is_number else _TEXT
            made.add_global_secondary_index(
                index_name=index.name,
                partition_key=dynamodb.Attribute(name=index.partition, type=_TEXT),
                sort_key=dynamodb.Attribute(name=index.sort, type=sort_type),
                projection_type=(dynamodb.ProjectionType.KEYS_ONLY if index.keys_only else dynamodb.ProjectionType.ALL),
            )
        return made
