"""Alarms for what must be looked at."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra import naming
from infra.constructs.estate import Estate
from infra.constructs.http_api import HttpApi
from infra.settings import Settings

SERVER_ERRORS_IN_FIVE_MINUTES = 5
COST_DRIFT_MICROS_IN_AN_HOUR = 1_000_000


class Alarms(Construct):
    """One alarm for each sign of trouble; they tell a topic if the stage names one."""

    def __init__(self, scope: Construct, settings: Settings, estate: Estate, api: HttpApi) -> None:
        super().__init__(scope, "Alarms")
        self._stage = settings.stage
        self._topic = (
            sns.Topic.from_topic_arn(self, "Topic", settings.alarm_topic_arn) if settings.alarm_topic_arn else None
        )
        for name, queue in estate.queues.items():
            self._alarm(
                name,
                queue.metric_approximate_number_of_messages_visible(period=Duration.minutes(1), statistic="Maximum"),
                f"An event could not be handled and lies in {name}: see why, then send it again.",
            )
        self._alarm(
            "ledger_equations_broken",
            _metric("Museway", "LedgerEquationsBroken", service=naming.function(settings.stage, "reconcile")),
            "The reconciler found a project whose granted, available, held and spent amounts do not add up.",
        )
        self._alarm(
            "reconciliations_failed",
            _metric("Museway", "ReconciliationsFailed", service=naming.function(settings.stage, "reconcile")),
            "The reconciler could not finish a generation; its log says why, and it tries again each minute.",
        )
        self._alarm(
            "generations_parked",
            # Each is tried, and measured, a little less than once an hour.
            _metric("Museway", "GenerationsParked", service=naming.function(settings.stage, "reconcile")).with_(
                period=Duration.hours(2)
            ),
            "A generation could not be finished in many tries and its hold stays open. `museway admin audit` names it, "
            "the reconciler's log says why; once the cause is gone, the next hourly try finishes it.",
        )
        self._alarm(
            "offers_open",
            _metric("Museway", "OffersOpen", service=naming.function(settings.stage, "reconcile")),
            "An offer failed so often that requests go to others where there are any. `museway admin providers` names "
            "it, the logs of the steps say how its attempts ended; it is tried again by itself after two minutes.",
        )
        self._watch_costs(naming.stack(settings.stage))
        self._watch_schedules(settings.stage)
        self._alarm(
            "server_errors",
            _metric("AWS/ApiGateway", "5xx", ApiId=api.api.ref),
            "The API answered with server errors.",
            threshold=SERVER_ERRORS_IN_FIVE_MINUTES,
        )
        for metric in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"):
            self._alarm(
                metric,
                _metric("AWS/States", metric, StateMachineArn=estate.machine_arn),
                "An execution of a generation ended otherwise than by its own steps; the reconciler restarts it.",
            )

    def _watch_schedules(self, stage: str) -> None:
        """What runs by the clock and nobody waits for."""
        fx_rates = naming.function(stage, "fx_rates")
        self._alarm(
            "fx_rates_stale",
            # A day, because it is measured once or twice a day.
            _metric("Museway", "FxRatesStale", service=fx_rates).with_(period=Duration.days(1)),
            "There are no reference rates from the last 7 days: records of accounts in other currencies are in US "
            "dollars alone. The log of fx_rates says why they could not be fetched.",
        )
        self._alarm(
            "fx_rates_changed",
            _metric("Museway", "FxRatesChanged", service=fx_rates),
            "The ECB gives other rates for a date that is stored; the stored ones stand, because records rest on them.",
        )
        self._alarm(
            "exports_differ",
            # Measured once an hour, for as long as it lasts.
            _metric("Museway", "ExportsDiffer", service=naming.function(stage, "daily_export")).with_(
                period=Duration.hours(2)
            ),
            "A daily export is stored with other bytes than the ledger gives. It was not overwritten, and the days of "
            "its project wait: the log of daily_export names the file. Find out who wrote it, then move it away.",
        )

    def _watch_costs(self, service: str) -> None:
        """What providers charge, against what is held and listed; measured once more without the model."""
        self._alarm(
            "operator_loss",
            _metric("Museway", "OperatorLossMicros", service=service),
            "A provider charged more than was held, and the account's operator bears the rest. The log line 'the "
            "provider charged more than was held' names the generation and the model: correct the meter's maximum.",
        )
        self._alarm(
            "provider_cost_drift",
            _metric("Museway", "ProviderCostDriftMicros", service=service).with_(period=Duration.hours(1)),
            "What providers report as charged has drifted from the list prices by a dollar or more within an hour. "
            "The same metric by model tells which one: compare its rates with the provider's, publish a new catalog.",
            threshold=COST_DRIFT_MICROS_IN_AN_HOUR,
        )

    def _alarm(self, name: str, metric: cloudwatch.Metric, meaning: str, threshold: int = 1) -> None:
        alarm = cloudwatch.Alarm(
            self,
            naming.logical_id(name),
            alarm_name=f"{naming.stack(self._stage)}-{name}",
            alarm_description=meaning,
            metric=metric,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if self._topic:
            alarm.add_alarm_action(actions.SnsAction(self._topic))


def _metric(namespace: str, name: str, **dimensions: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic="Sum",
        period=Duration.minutes(5),
    )
