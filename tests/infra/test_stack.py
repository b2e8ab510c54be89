"""What is deployed, read from the synthesized templates."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from infra import manifest, naming
from infra.catalog_source import compiled_catalog

from .conftest import Template, synthesize

TABLES = {
    "Catalog": [],
    "Projects": [],
    "Jobs": [
        ("by_project", [("project_id", "S"), ("listed_at", "S")], "ALL"),
        ("open_work", [("work", "S"), ("due_at", "N")], "KEYS_ONLY"),
    ],
    "Ledger": [
        ("listing", [("listing", "S"), ("listed_at", "S")], "ALL"),
        ("by_session", [("session", "S"), ("listed_at", "S")], "ALL"),
    ],
}


def statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return found


class TestData:
    @pytest.mark.parametrize("name", TABLES)
    def test_tables_have_their_keys_indexes_and_recovery(self, stage: Template, name: str) -> None:
        table = stage.only("AWS::DynamoDB::Table", f"Tables{name}")["Properties"]
        types = {item["AttributeName"]: item["AttributeType"] for item in table["AttributeDefinitions"]}

        def keys(schema: list[dict[str, str]]) -> list[tuple[str, str]]:
            return [(item["AttributeName"], types[item["AttributeName"]]) for item in schema]

        assert keys(table["KeySchema"]) == [("pk", "S"), ("sk", "S")]
        assert [
            (index["IndexName"], keys(index["KeySchema"]), index["Projection"]["ProjectionType"])
            for index in table.get("GlobalSecondaryIndexes", [])
        ] == TABLES[name]
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        # Counters of how attempts ended are the only items that DynamoDB deletes by itself, anywhere.
        expires = {"AttributeName": "expires_at", "Enabled": True} if name == "Catalog" else None
        assert table.get("TimeToLiveSpecification") == expires

    def test_there_is_no_other_table(self, stage: Template) -> None:
        assert len(stage.of_type("AWS::DynamoDB::Table")) == len(TABLES)

    def test_only_jobs_has_a_stream_and_it_carries_both_images(self, stage: Template) -> None:
        streams = {
            name: item["Properties"]["StreamSpecification"]
            for name, item in stage.of_type("AWS::DynamoDB::Table").items()
            if "StreamSpecification" in item["Properties"]
        }
        assert [*streams.values()] == [{"StreamViewType": "NEW_AND_OLD_IMAGES"}]
        assert "Jobs" in next(iter(streams))

    @pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"])
    def test_production_keeps_its_data_and_nothing_else_does(self, local: Template, prod: Template, kind: str) -> None:
        assert {item["DeletionPolicy"] for item in prod.of_type(kind).values()} == {"Retain"}
        assert {item["DeletionPolicy"] for item in local.of_type(kind).values()} == {"Delete"}

    def test_only_production_refuses_to_delete_tables(self, local: Template, prod: Template) -> None:
        for template, protected in ((local, False), (prod, True)):
            for table in template.of_type("AWS::DynamoDB::Table").values():
                assert table["Properties"].get("DeletionProtectionEnabled", False) is protected

    @pytest.mark.parametrize("name", ["Drive", "Inbox"])
    def test_buckets_are_private_and_take_tls_only(self, stage: Template, name: str) -> None:
        bucket = stage.only("AWS::S3::Bucket", f"Buckets{name}")["Properties"]
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        refusals = statements(stage.only("AWS::S3::BucketPolicy", f"Buckets{name}"))
        assert {statement["Effect"] for statement in refusals} == {"Deny"}
        assert {"Bool": {"aws:SecureTransport": "false"}} in [statement["Condition"] for statement in refusals]

    def test_the_drive_forgets_what_passes_and_nothing_else_and_lets_browsers_upload(self, stage: Template) -> None:
        drive = stage.only("AWS::S3::Bucket", "BucketsDrive")["Properties"]
        expiring = {
            rule.get("Prefix"): rule.get("ExpirationInDays") for rule in drive["LifecycleConfiguration"]["Rules"]
        }
        assert expiring == {"staging/": 2, "downloads/": 1, None: None}
        assert "PUT" in drive["CorsConfiguration"]["CorsRules"][0]["AllowedMethods"]

    def test_the_key_rotates_and_encrypts_the_providers_keys(self, stage: Template) -> None:
        keys = stage.of_type("AWS::KMS::Key")
        assert [key["Properties"]["EnableKeyRotation"] for key in keys.values()] == [True, True]
        secret = stage.only("AWS::SecretsManager::Secret")["Properties"]
        # The other one encrypts what projects keep: whoever may decrypt with it opens nothing of the operator's.
        (used,) = [name for name in keys if name in str(secret["KmsKeyId"])]
        assert "ProjectKeys" not in used
        assert secret["SecretString"] == "{}"


class TestApi:
    def test_every_route_goes_to_its_function(self, stage: Template) -> None:
        integrations = {
            name: item["Properties"]["IntegrationUri"]["Fn::GetAtt"][0]
            for name, item in stage.of_type("AWS::ApiGatewayV2::Integration").items()
        }
        names = {
            name: item["Properties"]["FunctionName"].removeprefix(f"museway-{stage.settings.stage}-")
            for name, item in stage.of_type("AWS::Lambda::Function").items()
        }
        routed = {
            item["Properties"]["RouteKey"]: names[integrations[item["Properties"]["Target"]["Fn::Join"][1][1]["Ref"]]]
            for item in stage.of_type("AWS::ApiGatewayV2::Route").values()
        }
        assert routed == {route.key: route.function for route in (*manifest.ROUTES, manifest.FALLBACK)}

    def test_every_route_has_the_authorizer_but_the_public_ones(self, stage: Template) -> None:
        authorized = {
            item["Properties"]["RouteKey"]: item["Properties"]["AuthorizationType"] == "CUSTOM"
            and "AuthorizerId" in item["Properties"]
            for item in stage.of_type("AWS::ApiGatewayV2::Route").values()
        }
        public = {key for key, value in authorized.items() if not value}
        assert public == {
            "GET /v1/models",
            "GET /v1/models/{model_id+}",
            "GET /v1/modes",
            "GET /v1/pricing",
            "POST /v1/callbacks/{provider}",
            "POST /v1/callbacks/{provider}/{generation_id}/{token}",
            "GET /health",
            "GET /openapi.json",
            "GET /docs",
            "$default",
        }

    def test_the_authorizer_is_asked_for_every_request(self, stage: Template) -> None:
        """Also without a header, and never from a cache: a refusal has our body, a revoked key ends at once."""
        authorizer = stage.only("AWS::ApiGatewayV2::Authorizer")["Properties"]
        assert authorizer["AuthorizerResultTtlInSeconds"] == 0
        assert authorizer["EnableSimpleResponses"] is True
        assert authorizer["AuthorizerPayloadFormatVersion"] == "2.0"
        assert authorizer["IdentitySource"] == ["$context.routeKey"]

    def test_one_stage_deploys_itself_and_logs_access(self, stage: Template) -> None:
        properties = stage.only("AWS::ApiGatewayV2::Stage")["Properties"]
        assert properties["StageName"] == "$default"
        assert properties["AutoDeploy"] is True
        assert json.loads(properties["AccessLogSettings"]["Format"])["requestId"] == "$context.requestId"

    def test_functions_can_be_invoked_by_this_api_only(self, stage: Template) -> None:
        for permission in stage.of_type("AWS::Lambda::Permission").values():
            assert "SourceArn" in permission["Properties"]


class TestFunctions:
    @pytest.mark.parametrize("function", manifest.FUNCTIONS, ids=lambda function: function.name)
    def test_each_has_its_own_role_and_log_group(self, stage: Template, function: manifest.Function) -> None:
        properties = stage.function(function.name)["Properties"]
        role = stage.body["Resources"][properties["Role"]["Fn::GetAtt"][0]]["Properties"]
        assert "ManagedPolicyArns" not in role
        log_group = stage.body["Resources"][properties["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert log_group["LogGroupName"] == f"/aws/lambda/museway-{stage.settings.stage}-{function.name}"
        assert log_group["RetentionInDays"] == stage.settings.log_retention_days
        roles = [
            item["Properties"]["Role"]["Fn::GetAtt"][0] for item in stage.of_type("AWS::Lambda::Function").values()
        ]
        assert roles.count(properties["Role"]["Fn::GetAtt"][0]) == 1

    def test_tracing_follows_its_setting(self, local: Template, prod: Template) -> None:
        for template, mode in ((local, None), (prod, {"Mode": "Active"})):
            for function in template.of_type("AWS::Lambda::Function").values():
                assert function["Properties"].get("TracingConfig") == mode
            machine = template.only("AWS::StepFunctions::StateMachine")["Properties"]
            assert machine["TracingConfiguration"]["Enabled"] is (mode is not None)

    def test_long_waits_have_their_own_share_of_concurrency(self, local: Template) -> None:
        reserved = {
            function.name: local.function(function.name)["Properties"].get("ReservedConcurrentExecutions")
            for function in manifest.FUNCTIONS
        }
        assert {name: count for name, count in reserved.items() if count} == {"generations": 4, "poll_attempt": 4}

    def test_the_local_stage_differs_by_settings_only(self, local: Template, prod: Template) -> None:
        for function in manifest.FUNCTIONS:
            ours = local.function(function.name)["Properties"]["Environment"]["Variables"]
            theirs = prod.function(function.name)["Properties"]["Environment"]["Variables"]
            assert set(theirs) == set(ours)
        variables = local.function("submit_attempt")["Properties"]["Environment"]["Variables"]
        assert variables["PUBLIC_URL"] == "http://127.0.0.1:8787"
        assert variables["STAGE"] == "local"


class TestWork:
    def test_the_machine_is_the_definition_in_the_tree(self, stage: Template) -> None:
        machine = stage.only("AWS::StepFunctions::StateMachine")["Properties"]
        definition = Path("infra/state_machines/generation.asl.json")
        root = Path(__file__).parents[2]
        assert json.loads(machine["DefinitionString"]) == json.loads((root / definition).read_text())
        assert set(machine["DefinitionSubstitutions"]) == set(manifest.STEPS)
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False

    def test_the_stream_calls_dispatch_and_puts_failures_aside(self, stage: Template) -> None:
        mapping = stage.only("AWS::Lambda::EventSourceMapping")["Properties"]
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert 0 < mapping["MaximumRetryAttempts"] <= 20
        queue = mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
        assert "FailedDispatches" in queue

    def test_the_stream_is_filtered_to_beginnings_and_ends(self, stage: Template) -> None:
        filters = stage.only("AWS::Lambda::EventSourceMapping")["Properties"]["FilterCriteria"]["Filters"]
        begin, end = (json.loads(item["Pattern"]) for item in filters)
        assert begin == {"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": ["GENERATION"]}}}}
        assert end["eventName"] == ["MODIFY"]
        assert end["dynamodb"]["OldImage"] == {"status": {"S": ["pending", "processing"]}}
        assert end["dynamodb"]["NewImage"] == {"status": {"S": ["completed", "failed", "cancelled"]}}

    @pytest.mark.parametrize(
        ("function", "times", "queue", "retries"),
        [
            ("reconcile", ["rate(1 minute)"], "FailedReconciliations", 0),
            ("fx_rates", ["cron(30 16 ? * MON-FRI *)", "cron(30 5 ? * * *)"], "FailedRateFetches", 2),
            ("daily_export", ["cron(15 * ? * * *)"], "FailedDailyExports", 0),
        ],
    )
    def test_schedules_call_their_function_and_keep_what_fails(
        self, stage: Template, function: str, times: list[str], queue: str, retries: int
    ) -> None:
        place = f"Schedules{naming.logical_id(function)}"
        rules = [item["Properties"] for name, item in stage.of_type("AWS::Events::Rule").items() if place in name]
        assert [rule["ScheduleExpression"] for rule in rules] == times
        for rule in rules:
            (target,) = rule["Targets"]
            assert f"Functions{naming.logical_id(function)}" in target["Arn"]["Fn::GetAtt"][0]
            assert queue in target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]
        invoked = stage.only("AWS::Lambda::EventInvokeConfig", place)["Properties"]
        assert queue in invoked["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
        assert invoked["MaximumRetryAttempts"] == retries

    def test_every_rule_may_call_its_function_and_leave_what_it_could_not(self, stage: Template) -> None:
        rules = set(stage.of_type("AWS::Events::Rule"))
        permitted = [
            item["Properties"]["SourceArn"]["Fn::GetAtt"][0]
            for item in stage.of_type("AWS::Lambda::Permission").values()
            if item["Properties"]["Principal"] == "events.amazonaws.com"
        ]
        accepted = [
            statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::GetAtt"][0]
            for policy in stage.of_type("AWS::SQS::QueuePolicy").values()
            for statement in statements(policy)
            if statement["Effect"] == "Allow"
        ]
        assert (sorted(permitted), sorted(accepted)) == (sorted(rules), sorted(rules))

    def test_the_first_rates_are_fetched_by_the_deployment(self, stage: Template) -> None:
        first = stage.only("Custom::FirstRates")["Properties"]
        assert "FunctionsFxRates" in first["ServiceToken"]["Fn::GetAtt"][0]
        assert first["Source"] == "ECB"
        timeout = stage.function("fx_rates")["Properties"]["Timeout"]
        assert timeout < int(first["ServiceTimeout"]) <= 300  # not CloudFormation's hour

    def test_dead_letters_take_tls_only(self, stage: Template) -> None:
        assert len(stage.of_type("AWS::SQS::Queue")) == len(manifest.DEAD_LETTERS)
        for policy in stage.of_type("AWS::SQS::QueuePolicy").values():
            refusals = [statement for statement in statements(policy) if statement["Effect"] == "Deny"]
            assert [statement["Condition"] for statement in refusals] == [{"Bool": {"aws:SecureTransport": "false"}}]

    def test_the_catalog_is_published_when_it_changed(self, stage: Template) -> None:
        publication = stage.only("Custom::CatalogPublication")["Properties"]
        assert publication["Digest"] == compiled_catalog().digest
        assert "FunctionsAdmin" in publication["ServiceToken"]["Fn::GetAtt"][0]
        assert int(publication["ServiceTimeout"]) <= 300  # not CloudFormation's hour

    def test_production_has_its_alarms_and_the_local_stage_none(self, local: Template, prod: Template) -> None:
        watched = {
            item["Properties"]["MetricName"]: item["Properties"]
            for item in prod.of_type("AWS::CloudWatch::Alarm").values()
        }
        assert set(watched) == {
            "ApproximateNumberOfMessagesVisible",
            "LedgerEquationsBroken",
            "ReconciliationsFailed",
            "GenerationsParked",
            "OffersOpen",
            "OperatorLossMicros",
            "ProviderCostDriftMicros",
            "FxRatesStale",
            "FxRatesChanged",
            "ExportsDiffer",
            "5xx",
            "ExecutionsFailed",
            "ExecutionsTimedOut",
            "ExecutionsAborted",
        }
        assert watched["LedgerEquationsBroken"]["Dimensions"] == [
            {"Name": "service", "Value": "museway-prod-reconcile"}
        ]
        # As `closing` measures them, by whichever function settles.
        for name in ("OperatorLossMicros", "ProviderCostDriftMicros"):
            assert watched[name]["Dimensions"] == [{"Name": "service", "Value": "museway-prod"}]
        assert watched["ProviderCostDriftMicros"]["Threshold"] == 1_000_000
        for name in ("GenerationsParked", "OffersOpen"):
            assert watched[name]["Dimensions"] == [{"Name": "service", "Value": "museway-prod-reconcile"}]
        assert watched["GenerationsParked"]["Period"] == 7200  # a parked generation is tried once an hour
        assert watched["FxRatesStale"]["Dimensions"] == [{"Name": "service", "Value": "museway-prod-fx_rates"}]
        assert watched["FxRatesStale"]["Period"] == 86_400  # it is measured once or twice a day
        assert not local.of_type("AWS::CloudWatch::Alarm")


class TestWhole:
    def test_outputs_name_everything_that_is_reached_from_outside(self, stage: Template) -> None:
        assert set(stage.body["Outputs"]) == {
            *("ApiId", "ApiUrl", "DriveBucket", "InboxBucket", "EventBus", "StateMachineArn"),
            *("CatalogTable", "ProjectsTable", "JobsTable", "LedgerTable", "AdminFunction", "ProviderSecretArn"),
        }

    def test_cfn_lint_is_clean(self, stage: Template) -> None:
        command = [str(Path(sys.executable).parent / "cfn-lint"), "--regions", "us-east-1", "--", str(stage.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_cdk_nag_is_clean(self, stage: Template) -> None:
        report = json.loads((stage.path.parent / "validation-report.json").read_text())
        assert report["pluginReports"] == [], json.dumps(report, indent=2)

    def test_cdk_nag_would_have_found_something(self, tmp_path: Path) -> None:
        """The check above is worth something: a bare bucket does not pass."""
        app = cdk.App(outdir=str(tmp_path))
        s3.Bucket(cdk.Stack(app, "bare"), "Bucket")
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        with pytest.raises(RuntimeError, match="AwsSolutions-S10"):
            app.synth()

    def test_a_second_synthesis_changes_nothing(self, local: Template, tmp_path: Path) -> None:
        assert synthesize(local.settings, tmp_path).body == local.body
