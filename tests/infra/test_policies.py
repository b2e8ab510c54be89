"""What each function may do, against a list that a person has read."""

import json
import os
import re
from pathlib import Path
from typing import Any

from infra import manifest

from .conftest import Template

REVIEWED = Path(__file__).with_name("policies.json")
UPDATE = "UPDATE_POLICIES=1 make infra"
ANY_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "states:SendTaskSuccess"}
"""Actions that know no resource."""


def policies(template: Template) -> dict[str, list[dict[str, Any]]]:
    """The statements of every function's role, by function, in a form that a person can read."""
    found = {}
    for function in manifest.FUNCTIONS:
        role = template.function(function.name)["Properties"]["Role"]["Fn::GetAtt"][0]
        (policy,) = template.body["Resources"][role]["Properties"]["Policies"]
        found[function.name] = [_readable(statement) for statement in policy["PolicyDocument"]["Statement"]]
    return found


def _readable(statement: dict[str, Any]) -> dict[str, Any]:
    assert statement["Effect"] == "Allow"
    shown = {
        "may": sorted(_listed(statement["Action"])),
        "on": [_text(resource) for resource in _listed(statement["Resource"])],
    }
    if "Condition" in statement:
        shown["if"] = {
            operator: {key: [_text(item) for item in _listed(value)] for key, value in keys.items()}
            for operator, keys in statement["Condition"].items()
        }
    return shown


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """An intrinsic function as text: `<EstateTablesJobs.Arn>/index/by_project`."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return "".join(_text(part) for part in value["Fn::Join"][1])
    name = ".".join(value["Fn::GetAtt"]) if "Fn::GetAtt" in value else value["Ref"]
    return f"<{re.sub(r'[0-9A-F]{8}', '', name)}>"


def test_each_functions_policy_is_the_reviewed_one(prod: Template) -> None:
    found = policies(prod)
    if os.environ.get("UPDATE_POLICIES"):
        REVIEWED.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(REVIEWED.read_text()), (
        f"A function may do something else than was reviewed. If it should: `{UPDATE}`, and read the difference."
    )


def test_other_stages_grant_the_same_but_for_tracing(local: Template) -> None:
    reviewed = json.loads(REVIEWED.read_text())
    for name, statements in policies(local).items():
        expected = [item for item in reviewed[name] if not item["may"][0].startswith("xray:")]
        assert json.dumps(statements).replace("museway-local", "museway-prod") == json.dumps(expected)


def test_nothing_may_do_everything(prod: Template) -> None:
    for name, statements in policies(prod).items():
        for statement in statements:
            assert not [action for action in statement["may"] if "*" in action], name
            if "*" in statement["on"]:
                assert set(statement["may"]) <= ANY_RESOURCE, name


def test_records_and_entries_cannot_be_changed(prod: Template) -> None:
    """Updates of the ledger are for balances, holds and counters; nothing deletes there at all."""
    for name, statements in policies(prod).items():
        for statement in statements:
            if "<EstateTablesLedger.Arn>" not in statement["on"]:
                continue
            assert "dynamodb:DeleteItem" not in statement["may"], name
            if "dynamodb:UpdateItem" in statement["may"]:
                keys = statement["if"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                assert {*keys} <= {"BALANCE#*", "HOLD#*", "SPENDING#*"}, name


def test_the_machine_may_call_its_steps_and_nothing_else(prod: Template) -> None:
    (policy,) = prod.only("AWS::IAM::Role", "GenerationRole")["Properties"]["Policies"]
    invoking = [
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if "lambda:InvokeFunction" in _listed(statement["Action"])
    ]
    names = {
        prod.body["Resources"][resource["Fn::GetAtt"][0]]["Properties"]["FunctionName"]
        for resource in invoking[0]["Resource"]
    }
    assert len(invoking) == 1
    assert names == {f"museway-prod-{step}" for step in manifest.STEPS}
