"""Accepts findings of cdk-nag, each on the construct that has it and with its reason."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def accept(construct: IConstruct, findings: dict[str, str]) -> None:
    """Accept findings (`AwsSolutions-S1`, or `AwsSolutions-IAM5[Resource::*]` for one of several) by reason."""
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=finding, reason=reason) for finding, reason in findings.items())
    )
