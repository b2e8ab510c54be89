"""Fetches reference rates when the stack is deployed, so that no account waits for the first schedule."""

from aws_cdk import CfnResource
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.settings import Settings

TIMEOUT_SECONDS = 120


class FirstRates(Construct):
    """A custom resource served by `fx_rates`, which answers well even when the fetch fails.

    CloudFormation calls when the stack is made, and again when the source changes.
    """

    def __init__(self, scope: Construct, settings: Settings, fx_rates: lambda_.Function) -> None:
        super().__init__(scope, "FirstRates")
        CfnResource(
            self,
            "Resource",
            type="Custom::FirstRates",
            properties={
                "ServiceToken": fx_rates.function_arn,
                "ServiceTimeout": TIMEOUT_SECONDS,
                "Source": settings.fx_rates_url or "ECB",
            },
        )
