"""The Lambda functions, made from the manifest: code, layers, and a role of its own for each."""

import json
from typing import cast

from aws_cdk import Duration, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import manifest, naming
from infra.bundle import Asset, Bundle
from infra.constructs.estate import Estate
from infra.constructs.log_groups import log_group
from infra.constructs.nag import accept
from infra.settings import Settings


class GatewayFunction(Construct):
    """One function: its log group, its role with exactly its grants, its code."""

    def __init__(
        self,
        scope: Construct,
        function: manifest.Function,
        settings: Settings,
        code: lambda_.Code,
        layers: list[lambda_.ILayerVersion],
        environment: dict[str, str],
        estate: Estate,
    ) -> None:
        super().__init__(scope, naming.logical_id(function.name))
        self.name = function.name
        self.log_group = log_group(self, "Logs", naming.function_logs(settings.stage, function.name), settings)
        self.role = self._role(settings, estate.statements(function))
        accept(self.role, estate.wildcards(function))
        if settings.tracing:
            accept(self.role, {"AwsSolutions-IAM5[Resource::*]": "X-Ray knows no resources: AWS takes only * for it."})
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=naming.function(settings.stage, function.name),
            runtime=lambda_.Runtime(f"python{settings.target.python}", lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.custom(settings.target.architecture),
            handler="handler.handler",
            code=code,
            layers=layers,
            role=self.role,
            log_group=self.log_group,
            environment=environment,
            timeout=Duration.seconds(function.timeout_seconds),
            memory_size=function.memory_mb,
            ephemeral_storage_size=Size.mebibytes(function.disk_mb),
            reserved_concurrent_executions=_reserved(function, settings),
        )
        resource = cast("lambda_.CfnFunction", self.function.node.default_child)
        # The reference to the role is dependency enough, and its policy stands inside of it.
        resource.add_deletion_override("DependsOn")
        if settings.tracing:
            # Not by the construct's own property, which would add a second statement to the role.
            resource.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode="Active")
        accept(
            self.function,
            {"AwsSolutions-L1": "The newest runtime that every library declares: PynamoDB stops at Python 3.12."},
        )

    def _role(self, settings: Settings, statements: list[iam.PolicyStatement]) -> iam.Role:
        write_logs = iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[self.log_group.log_group_arn]
        )
        if settings.tracing:
            statements = [*statements, iam.PolicyStatement(actions=_TRACES, resources=["*"])]
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"grants": iam.PolicyDocument(statements=[write_logs, *statements], minimize=False)},
        )


class Functions(Construct):
    """Every function of the manifest and the layers they share."""

    def __init__(self, scope: Construct, settings: Settings, bundle: Bundle, estate: Estate, own_url: str) -> None:
        super().__init__(scope, "Functions")
        self._settings, self._bundle = settings, bundle
        self._layers = {name: self._layer(name) for name in ("core", "vendor", "media")}
        self._values = _values(settings, own_url)
        self.by_name = {function.name: self._function(function, estate) for function in manifest.FUNCTIONS}

    def __getitem__(self, name: str) -> lambda_.Function:
        return self.by_name[name].function

    def _function(self, function: manifest.Function, estate: Estate) -> GatewayFunction:
        stage = self._settings.stage
        environment = {
            "STAGE": stage,
            "POWERTOOLS_SERVICE_NAME": naming.function(stage, function.name),
            "POWERTOOLS_METRICS_NAMESPACE": "Museway",
            "POWERTOOLS_LOG_LEVEL": self._settings.log_level,
            **manifest.ENVIRONMENT,
        }
        environment |= estate.environment(function)
        environment |= {name: self._values[name] for name in function.environment if self._values[name]}
        return GatewayFunction(
            self,
            function,
            self._settings,
            code=_code(self._bundle.function(function.name)),
            layers=[self._layers[name] for name in function.layers],
            environment=environment,
            estate=estate,
        )

    def _layer(self, name: str) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            f"{naming.logical_id(name)}Layer",
            layer_version_name=f"{naming.stack(self._settings.stage)}-{name}",
            code=_code(self._bundle.layer(name)),
        )


def _code(asset: Asset) -> lambda_.Code:
    """Code whose identity is what it was made from, so that making it again changes nothing."""
    return lambda_.Code.from_asset(str(asset.path), asset_hash=asset.digest)


def _values(settings: Settings, own_url: str) -> dict[str, str]:
    """The variables that functions ask for by name; empty ones are not set."""
    urls = settings.provider_base_urls
    return {
        "PUBLIC_URL": settings.public_url or own_url,
        "PROVIDER_BASE_URLS": json.dumps(dict(urls), sort_keys=True) if urls else "",
        "FAL_JWKS_URL": settings.jwks_url,
        "FX_RATES_URL": settings.fx_rates_url,
        "FX_HISTORY_URL": settings.fx_history_url,
        "URL_ALLOWED_HOSTS": ",".join(settings.url_allowed_hosts),
        "CATALOG_KEPT_SECONDS": f"{settings.catalog_kept_seconds:g}",
        "POLL_WINDOW_SECONDS": f"{settings.poll_window_seconds:g}",
        "PROVIDER_TIMEOUT_SECONDS": f"{settings.provider_timeout_seconds:g}",
        "AWAIT_SECONDS_MAX": str(settings.await_seconds_max),
        "DEADLINE_SECONDS_MAX": str(settings.deadline_seconds_max),
    }


def _reserved(function: manifest.Function, settings: Settings) -> int | None:
    share = int(settings.lambda_concurrency * function.concurrency_share)
    return max(1, share) if share else None


_TRACES = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
