"""Synthesizes Museway for one stage: `cdk deploy -c stage=prod`."""

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.settings import for_stage
from infra.stacks.service import ServiceStack

app = cdk.App()
settings = for_stage(str(app.node.try_get_context("stage") or "dev"), app.node.try_get_context)
ServiceStack(app, settings)
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
app.synth()
