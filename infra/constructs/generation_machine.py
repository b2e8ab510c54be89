"""The state machine `generation`."""

from pathlib import Path

from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra import manifest, naming
from infra.constructs.functions import Functions
from infra.constructs.log_groups import log_group
from infra.constructs.nag import accept
from infra.settings import Settings

DEFINITION = Path(__file__).parent.parent / "state_machines" / "generation.asl.json"


class GenerationMachine(Construct):
    """The machine, its log and its role, which may call the steps and nothing else."""

    def __init__(self, scope: Construct, settings: Settings, functions: Functions) -> None:
        super().__init__(scope, "Generation")
        steps = [functions[name].function_arn for name in manifest.STEPS]
        events = log_group(self, "Logs", naming.vended_logs(settings.stage, "states"), settings)
        role = self._role(settings, steps)
        self.machine = stepfunctions.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=naming.state_machine(settings.stage),
            state_machine_type="STANDARD",
            role_arn=role.role_arn,
            definition_string=DEFINITION.read_text(),
            definition_substitutions={name: functions[name].function_arn for name in manifest.STEPS},
            # Every event, without its data: inputs and outputs of steps may carry what people wrote.
            logging_configuration=stepfunctions.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    stepfunctions.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=stepfunctions.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=events.log_group_arn
                        )
                    )
                ],
            ),
            tracing_configuration=stepfunctions.CfnStateMachine.TracingConfigurationProperty(enabled=settings.tracing),
        )
        if not settings.tracing:
            accept(self.machine, {"AwsSolutions-SF2": "Tracing is a setting of the stage, and off here."})

    def _role(self, settings: Settings, steps: list[str]) -> iam.Role:
        statements = [
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=steps),
            iam.PolicyStatement(actions=_LOG_DELIVERY, resources=["*"]),
        ]
        if settings.tracing:
            statements.append(iam.PolicyStatement(actions=_TRACES, resources=["*"]))
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            inline_policies={"steps": iam.PolicyDocument(statements=statements)},
        )
        reason = "Log delivery and X-Ray know no resources: AWS takes only * for these actions."
        accept(role, {"AwsSolutions-IAM5[Resource::*]": reason})
        return role


_LOG_DELIVERY = [
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
]
_TRACES = [
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
]
