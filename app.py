"""Synthesizes Museway for one stage: `cdk deploy -c stage=prod`. `infra/settings.py` lists what can be set."""

import aws_cdk as cdk

from infra.application import application
from infra.settings import for_stage

app = cdk.App()
settings = for_stage(str(app.node.try_get_context("stage") or "dev"), app.node.try_get_context)
application(settings, app).synth()
