"""Everything that functions act on, and what follows from a function's grants: its policy and its variables."""

from dataclasses import dataclass
from typing import Any

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import manifest, naming
from infra.constructs.buckets import Buckets
from infra.constructs.queues import DeadLetters
from infra.constructs.secrets import Secrets
from infra.constructs.tables import Tables
from infra.settings import Settings

_WILDCARDS = {
    "objects": "Objects are named by project and generation; whose, the function decides from the caller's key.",
    "executions": "Executions are named by their generation; these are the executions of our machine alone.",
    "bedrock_models": "Which models are offered is data of the catalog, and so is the region in which they are called.",
    "bedrock_profiles": "Which models are offered is data of the catalog; these are the account's own.",
    "bedrock_jobs": "Jobs are named by Bedrock when they start; these are the account's own.",
    "task_tokens": "IAM's reference gives this action no resource: what it answers is named by an unguessable token.",
}
"""Why a grant ends in a wildcard."""


@dataclass(frozen=True)
class Resource:
    """One resource as grants see it."""

    service: str
    """IAM's prefix of its actions."""
    arn: str
    variable: str = ""
    """The environment variable that tells a function of it."""
    value: str = ""


class Estate(Construct):
    """Tables, buckets, keys, the bus and the dead-letter queues."""

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(scope, "Estate")
        self.tables = Tables(self, settings)
        self.buckets = Buckets(self, settings)
        self.secrets = Secrets(self, settings)
        self.bus = events.EventBus(self, "Bus", event_bus_name=naming.stack(settings.stage))
        self.queues = {name: DeadLetters(self, naming.logical_id(name)) for name in manifest.DEAD_LETTERS}
        # Named and not referred to: the machine calls functions that in turn answer it.
        self.machine_arn = self._states_arn("stateMachine", naming.state_machine(settings.stage))
        self._executions_arn = self._states_arn("execution", f"{naming.state_machine(settings.stage)}:*")
        self._resources = self._listed()

    def environment(self, function: manifest.Function) -> dict[str, str]:
        """The variables that a function's grants imply."""
        resources = [self._resources[grant.resource] for grant in function.grants]
        return {resource.variable: resource.value for resource in resources if resource.variable}

    def statements(self, function: manifest.Function) -> list[iam.PolicyStatement]:
        """The statements of a function's policy, one for each grant."""
        statements = [self._statement(grant) for grant in function.grants]
        if any(grant.resource == "provider_keys" for grant in function.grants):
            statements.append(self._decrypt())
        return statements

    def wildcards(self, function: manifest.Function) -> dict[str, str]:
        """The findings of cdk-nag that a function's grants cannot avoid, with why they are right."""
        findings: dict[str, str] = {}
        for grant in function.grants:
            resource = self._resources[grant.resource]
            if resource.service == "s3":
                findings |= {
                    f"AwsSolutions-IAM5[Resource::{self._shown(arn)}]": _WILDCARDS["objects"]
                    for arn in self._object_arns(grant)
                }
            elif grant.resource in _WILDCARDS:
                findings[f"AwsSolutions-IAM5[Resource::{self._shown(resource.arn)}]"] = _WILDCARDS[grant.resource]
        return findings

    def _shown(self, arn: str) -> str:
        """An ARN as cdk-nag writes it: `<LogicalId.Arn>/*`, `arn:<AWS::Partition>:...`."""
        resolved = Stack.of(self).resolve(arn)
        parts = resolved["Fn::Join"][1] if isinstance(resolved, dict) else [resolved]
        return "".join(part if isinstance(part, str) else f"<{_reference(part)}>" for part in parts)

    def _object_arns(self, grant: manifest.Grant) -> list[str]:
        return [f"{self._resources[grant.resource].arn}/{key}" for key in grant.keys or ("*",)]

    def _statement(self, grant: manifest.Grant) -> iam.PolicyStatement:
        resource = self._resources[grant.resource]
        conditions = None
        arns = [resource.arn]
        if resource.service == "dynamodb":
            arns = [f"{resource.arn}/index/{grant.index}"] if grant.index else arns
            if grant.keys:
                conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(grant.keys)}}
        elif resource.service == "s3":
            arns = self._object_arns(grant)
        return iam.PolicyStatement(
            actions=[f"{resource.service}:{action}" for action in grant.actions.split()],
            resources=arns,
            conditions=conditions,
        )

    def _decrypt(self) -> iam.PolicyStatement:
        """Reading the secret takes its key, and the key only by way of Secrets Manager."""
        return iam.PolicyStatement(
            actions=["kms:Decrypt"],
            resources=[self.secrets.key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"secretsmanager.{Aws.REGION}.amazonaws.com"}},
        )

    def _listed(self) -> dict[str, Resource]:
        drive, inbox, jobs = self.buckets.drive, self.buckets.inbox, self.tables.by_name["jobs"]
        secret, key, bus = self.secrets.provider_keys_arn, self.secrets.project_keys_key, self.bus
        listed = {
            name: Resource("dynamodb", table.table_arn, f"{name.upper()}_TABLE", table.table_name)
            for name, table in self.tables.by_name.items()
        }
        listed |= {name: Resource("sqs", queue.queue_arn) for name, queue in self.queues.items()}
        return listed | {
            "jobs_stream": Resource("dynamodb", str(jobs.table_stream_arn)),
            "drive": Resource("s3", drive.bucket_arn, "DRIVE_BUCKET", drive.bucket_name),
            "inbox": Resource("s3", inbox.bucket_arn, "INBOX_BUCKET", inbox.bucket_name),
            "machine": Resource("states", self.machine_arn, "STATE_MACHINE_ARN", self.machine_arn),
            "executions": Resource("states", self._executions_arn),
            "task_tokens": Resource("states", "*"),
            "bus": Resource("events", bus.event_bus_arn, "EVENT_BUS", bus.event_bus_name),
            # The region is the one of the provider's address in the catalog; a foundation model is no account's own.
            "bedrock_models": Resource("bedrock", f"arn:{Aws.PARTITION}:bedrock:*::foundation-model/*"),
            # A call by an inference profile takes a grant for it and for the model, wherever it is served.
            "bedrock_profiles": Resource(
                "bedrock", f"arn:{Aws.PARTITION}:bedrock:*:{Aws.ACCOUNT_ID}:inference-profile/*"
            ),
            "bedrock_jobs": Resource("bedrock", f"arn:{Aws.PARTITION}:bedrock:*:{Aws.ACCOUNT_ID}:async-invoke/*"),
            "provider_keys": Resource("secretsmanager", secret, "PROVIDER_SECRET_ARN", secret),
            "project_keys_key": Resource("kms", key.key_arn, "PROJECT_KEYS_KEY_ARN", key.key_arn),
        }

    def _states_arn(self, resource: str, name: str) -> str:
        return Stack.of(self).format_arn(
            service="states", resource=resource, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )


def _reference(token: dict[str, Any]) -> str:
    """`{"Fn::GetAtt": ["X", "Arn"]}` as `X.Arn`, `{"Ref": "X"}` as `X`."""
    return ".".join(token["Fn::GetAtt"]) if "Fn::GetAtt" in token else str(token["Ref"])
