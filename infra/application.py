"""The CDK application of one stage, checked by cdk-nag when it is synthesized."""

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.bundle import Bundle
from infra.settings import Settings
from infra.stacks.service import ServiceStack


def application(settings: Settings, app: cdk.App | None = None, bundle: Bundle | None = None) -> cdk.App:
    """An app with the stage's stack. `bundle` makes its code; by default for the stage's own target."""
    app = app or cdk.App()
    ServiceStack(app, settings, bundle or Bundle(settings.target, settings.bytecode))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app
