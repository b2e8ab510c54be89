"""The keys that secrets are encrypted with, and the secret that holds the operator's API keys of the providers."""

from typing import cast

from aws_cdk import RemovalPolicy, SecretValue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra import naming
from infra.constructs.nag import accept
from infra.settings import Settings


class Secrets(Construct):
    """A secret, a JSON object from provider to API key, empty until an operator fills it; and two rotating KMS keys.

    One encrypts the secret, the other the projects' own keys: who may decrypt with it cannot open the secret.
    """

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(scope, "Secrets")
        removal = RemovalPolicy.RETAIN if settings.retain_data else RemovalPolicy.DESTROY
        stack = naming.stack(settings.stage)
        self.key = kms.Key(
            self,
            "Key",
            alias=f"alias/{stack}",
            description="Museway: provider keys of the operator",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        self.project_keys_key = kms.Key(
            self,
            "ProjectKeysKey",
            alias=f"alias/{stack}-project-keys",
            description="Museway: provider keys of the operator's projects, each bound to its project and provider",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        self.provider_keys = secretsmanager.Secret(
            self,
            "ProviderKeys",
            description='Museway: API keys of the providers, as in {"fal": "...", "openai": "...", "replicate": "..."}',
            encryption_key=self.key,
            # A constant, so that no later deployment touches what the operator stored.
            secret_string_value=SecretValue.unsafe_plain_text("{}"),
            removal_policy=removal,
        )
        # By attribute and not by reference: both are the ARN on AWS, but not on every emulator.
        self.provider_keys_arn = cast("secretsmanager.CfnSecret", self.provider_keys.node.default_child).attr_id
        accept(
            self.provider_keys,
            {
                "AwsSolutions-SMG4": "The keys are issued by the providers on their own sites; none has an interface "
                "by which a rotation function could renew one."
            },
        )
