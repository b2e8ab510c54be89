"""IAM: conditions on DynamoDB's partition keys are checked, and a task token belongs to its state machine.

Source: "Using IAM policy conditions for fine-grained access control" in the DynamoDB developer guide. A query's keys
stand in an expression and stay unchecked, as before.
"""

import importlib
import json
from collections.abc import Iterator
from typing import Any

LEADING_KEYS = "dynamodb:LeadingKeys"
_ANSWERED_FIELD = "taskToken"


class KeyedArn(str):
    """A table's ARN with the partition keys that are touched through it."""

    keys: list[str]

    def __new__(cls, arn: str, keys: list[str]) -> "KeyedArn":
        """The ARN `arn`, touched at `keys`."""
        made = super().__new__(cls, arn)
        made.keys = keys
        return made


def install() -> None:
    """Add the partition keys, and the machine of a token, to what IAM's policies are evaluated on."""
    actions: Any = importlib.import_module("ministack.core.iam_actions")
    evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")
    _name_keys_of_calls(actions)
    _name_keys_of_transactions(actions, evaluator)
    _name_machine_of_tokens(actions)


def _name_keys_of_calls(actions: Any) -> None:
    context_of = actions.dynamodb_service_context

    def service_context(body: bytes) -> dict[str, Any]:
        call = _parsed(body)
        keys = [key for table, detail in details(call) for key in partition_keys(table, detail)]
        return {**context_of(body), **({LEADING_KEYS: keys} if keys else {})}

    actions.dynamodb_service_context = service_context


def _name_keys_of_transactions(actions: Any, evaluator: Any) -> None:
    checks_of, enforce = actions.dynamodb_transaction_checks, evaluator.enforce

    def transaction_checks(action: str, body: bytes, region: str, account: str) -> list[tuple[str, str]]:
        checks = checks_of(action, body, region, account)
        members = [
            detail
            for item in _parsed(body).get("TransactItems") or []
            for member in actions._DYNAMODB_TRANSACT_ITEM_ACTIONS
            if isinstance(detail := item.get(member), dict) and detail.get("TableName")
        ]
        if len(members) != len(checks):
            return list(checks)
        keyed = [partition_keys(detail["TableName"], detail) for detail in members]
        return [(name, KeyedArn(arn, keys)) for (name, arn), keys in zip(checks, keyed, strict=True)]

    def enforce_with_keys(
        access_key: str, action: str, service: str, region: str, resource_arn: str = "*", service_context: Any = None
    ) -> Any:
        if isinstance(resource_arn, KeyedArn):
            service_context = {**(service_context or {}), LEADING_KEYS: resource_arn.keys}
        return enforce(access_key, action, service, region, str(resource_arn), service_context)

    actions.dynamodb_transaction_checks = transaction_checks
    evaluator.enforce = enforce_with_keys


def _name_machine_of_tokens(actions: Any) -> None:
    resource_of = actions.extract_resource_arn
    service: Any = importlib.import_module("ministack.services.stepfunctions")

    def resource_arn(name: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
        if name == "states" and _ANSWERED_FIELD.encode() in (body or b""):
            entry = service._task_tokens.get(_parsed(body).get(_ANSWERED_FIELD)) or {}
            return str(entry.get("machine") or "*")
        return str(resource_of(name, method, path, headers, body, *rest))

    actions.extract_resource_arn = resource_arn


def details(call: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The table and the item or key of each thing a DynamoDB call touches, transactions apart."""
    if isinstance(call.get("TableName"), str):
        yield call["TableName"], call
    for table, requests in (call.get("RequestItems") or {}).items():
        if isinstance(requests, list):
            for request in requests:
                yield from ((table, detail) for detail in request.values() if isinstance(detail, dict))
        elif isinstance(requests, dict):
            yield from ((table, {"Key": key}) for key in requests.get("Keys") or [])


def partition_keys(table: str, detail: dict[str, Any]) -> list[str]:
    """The partition key's value in a request's `Key` or `Item`; none for a query or scan."""
    values = detail.get("Key") or detail.get("Item") or {}
    value = values.get(_key_name(table)) if isinstance(values, dict) else None
    return [str(next(iter(value.values())))] if isinstance(value, dict) and value else []


def _key_name(table: str) -> str:
    service: Any = importlib.import_module("ministack.services.dynamodb")
    schema = (service._tables.get(table.rpartition("/")[2]) or {}).get("KeySchema") or []
    return next((str(part["AttributeName"]) for part in schema if part["KeyType"] == "HASH"), "")


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        call = json.loads(body or b"{}")
    except ValueError:
        return {}
    return call if isinstance(call, dict) else {}
