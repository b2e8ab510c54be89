"""The one stack of a stage."""

from aws_cdk import CfnOutput, CliCredentialsStackSynthesizer, DefaultStackSynthesizer, IStackSynthesizer, Stack
from constructs import Construct

from infra import naming
from infra.bundle import Bundle
from infra.constructs.alarms import Alarms
from infra.constructs.catalog_publication import CatalogPublication
from infra.constructs.estate import Estate
from infra.constructs.first_rates import FirstRates
from infra.constructs.functions import Functions
from infra.constructs.generation_machine import GenerationMachine
from infra.constructs.http_api import HttpApi
from infra.constructs.outbox import Outbox
from infra.constructs.schedules import Schedules
from infra.settings import Settings


class ServiceStack(Stack):
    """Museway, whole: one stack, so that one command deploys it and nothing waits for exports of another."""

    def __init__(self, scope: Construct, settings: Settings, bundle: Bundle) -> None:
        super().__init__(
            scope,
            naming.stack(settings.stage),
            description=f"Museway, stage {settings.stage}: a gateway for generative media",
            termination_protection=settings.retain_data,
            synthesizer=_synthesizer(settings),
        )
        estate = Estate(self, settings)
        api = HttpApi(self, settings)
        functions = Functions(self, settings, bundle, estate, own_url=api.url)
        api.route(functions)
        GenerationMachine(self, settings, functions)
        Outbox(self, functions["dispatch"], estate.tables.by_name["jobs"], estate.queues["failed_dispatches"])
        Schedules(self, functions, estate)
        CatalogPublication(self, functions["admin"])
        FirstRates(self, settings, functions["fx_rates"])
        if settings.alarms:
            Alarms(self, settings, estate, api)
        self._outputs(estate, api, functions)

    def _outputs(self, estate: Estate, api: HttpApi, functions: Functions) -> None:
        outputs = {
            "ApiId": api.api.ref,
            "ApiUrl": api.url,
            "DriveBucket": estate.buckets.drive.bucket_name,
            "InboxBucket": estate.buckets.inbox.bucket_name,
            "EventBus": estate.bus.event_bus_name,
            "StateMachineArn": estate.machine_arn,
            "AdminFunction": functions["admin"].function_name,
            "ProviderSecretArn": estate.secrets.provider_keys_arn,
        } | {f"{naming.logical_id(name)}Table": table.table_name for name, table in estate.tables.by_name.items()}
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)


def _synthesizer(settings: Settings) -> IStackSynthesizer:
    if settings.assets_bucket:
        return CliCredentialsStackSynthesizer(file_assets_bucket_name=settings.assets_bucket)
    return DefaultStackSynthesizer()
