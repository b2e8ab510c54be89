"""CloudFormation: the reference to a secret is its ARN, as policies and functions expect it.

Source: "Return values, Ref" of AWS::SecretsManager::Secret in the CloudFormation template reference.
"""

import importlib
from typing import Any

RESOURCE_TYPE = "AWS::SecretsManager::Secret"


def install() -> None:
    """Make secrets known to their stack by ARN, and found again by it."""
    provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
    handlers = provisioners._RESOURCE_HANDLERS[RESOURCE_TYPE]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def create_by_arn(logical_id: str, properties: Any, stack: str) -> tuple[str, dict[str, Any]]:
        _, attributes = create(logical_id, properties, stack)
        return str(attributes["Arn"]), attributes

    def update_by_arn(arn: str, *details: Any, **named: Any) -> tuple[str, dict[str, Any]]:
        _, attributes = update(secret_name(arn), *details, **named)
        return str(attributes["Arn"]), attributes

    def delete_by_arn(arn: str, properties: Any) -> None:
        delete(secret_name(arn), properties)

    handlers.update(create=create_by_arn, update=update_by_arn, delete=delete_by_arn)


def secret_name(arn: str) -> str:
    """The name in a secret's ARN, which ends in a hyphen and six characters of chance."""
    return arn.partition(":secret:")[2].rpartition("-")[0] or arn
