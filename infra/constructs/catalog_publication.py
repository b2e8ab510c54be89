"""Publishes the compiled catalog when it changed."""

from aws_cdk import CfnResource
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.catalog_source import compiled_catalog

TIMEOUT_SECONDS = 120


class CatalogPublication(Construct):
    """A custom resource served by `admin`, which has the catalog beside its code and publishes it.

    The digest is what makes CloudFormation call again: same catalog, no call.
    """

    def __init__(self, scope: Construct, admin: lambda_.Function) -> None:
        super().__init__(scope, "CatalogPublication")
        CfnResource(
            self,
            "Resource",
            type="Custom::CatalogPublication",
            properties={
                "ServiceToken": admin.function_arn,
                "ServiceTimeout": TIMEOUT_SECONDS,
                "Digest": compiled_catalog().digest,
            },
        )
