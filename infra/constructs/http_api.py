"""The HTTP API: the routes of the manifest, its authorizer, its access log."""

import json

from aws_cdk import Aws, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import manifest, naming
from infra.constructs.functions import Functions
from infra.constructs.log_groups import log_group
from infra.constructs.nag import accept
from infra.settings import Settings

INTEGRATION_TIMEOUT_MS = 30_000
_ACCESS_LOG = {
    "requestId": "$context.requestId",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "integration_error": "$context.integrationErrorMessage",
    "authorizer_error": "$context.authorizer.error",
    "project_id": "$context.authorizer.project_id",
    "key_id": "$context.authorizer.key_id",
    "at": "$context.requestTime",
}


class HttpApi(Construct):
    """An HTTP API in payload format 2.0, with one stage that is always the latest."""

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(scope, "Api")
        self._stack = Stack.of(self)
        self.api = apigateway.CfnApi(self, "Api", name=naming.stack(settings.stage), protocol_type="HTTP")
        self.url = f"https://{self.api.ref}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}"
        self._serve(settings)

    def route(self, functions: Functions) -> None:
        """Add the authorizer and every route, once the functions exist."""
        authorizer = self._authorizer(functions["authorizer"])
        integrations = {
            name: self._integration(name, functions[name])
            for name in dict.fromkeys(route.function for route in manifest.ROUTES)
        }
        for route in (*manifest.ROUTES, manifest.FALLBACK):
            self._route(route, integrations[route.function], authorizer)

    def _serve(self, settings: Settings) -> None:
        access_log = log_group(self, "AccessLog", naming.vended_logs(settings.stage, "api"), settings)
        apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.ref,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=access_log.log_group_arn, format=json.dumps(_ACCESS_LOG)
            ),
        )

    def _authorizer(self, function: lambda_.Function) -> apigateway.CfnAuthorizer:
        """Asked for every request, with or without a key, so that a refusal has our error body.

        API Gateway answers a request without the identity source itself, and puts a refusal in its own words;
        therefore the source is one that every request has, nothing is cached under it, and `gateway.api` renders
        what the authorizer found.
        """
        authorizer = apigateway.CfnAuthorizer(
            self,
            "Authorizer",
            api_id=self.api.ref,
            name="api-key",
            authorizer_type="REQUEST",
            authorizer_payload_format_version="2.0",
            enable_simple_responses=True,
            identity_source=["$context.routeKey"],
            authorizer_result_ttl_in_seconds=0,
            authorizer_uri=(
                f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:lambda:path/2015-03-31/functions/"
                f"{function.function_arn}/invocations"
            ),
        )
        self._may_invoke("authorizer", function, f"authorizers/{authorizer.ref}")
        return authorizer

    def _integration(self, name: str, function: lambda_.Function) -> apigateway.CfnIntegration:
        self._may_invoke(name, function, "*/*")
        return apigateway.CfnIntegration(
            self,
            f"{naming.logical_id(name)}Integration",
            api_id=self.api.ref,
            integration_type="AWS_PROXY",
            integration_uri=function.function_arn,
            payload_format_version="2.0",
            timeout_in_millis=INTEGRATION_TIMEOUT_MS,
        )

    def _may_invoke(self, name: str, function: lambda_.Function, part: str) -> None:
        lambda_.CfnPermission(
            self,
            f"{naming.logical_id(name)}Permission",
            action="lambda:InvokeFunction",
            function_name=function.function_name,
            principal="apigateway.amazonaws.com",
            source_arn=self._stack.format_arn(service="execute-api", resource=self.api.ref, resource_name=part),
        )

    def _route(
        self, route: manifest.Route, integration: apigateway.CfnIntegration, authorizer: apigateway.CfnAuthorizer
    ) -> None:
        resource = apigateway.CfnRoute(
            self,
            route.key,
            api_id=self.api.ref,
            route_key=route.key,
            target=f"integrations/{integration.ref}",
            authorization_type="NONE" if route.public_because else "CUSTOM",
            authorizer_id=None if route.public_because else authorizer.ref,
        )
        if route.public_because:
            accept(resource, {"AwsSolutions-APIG4": route.public_because})
