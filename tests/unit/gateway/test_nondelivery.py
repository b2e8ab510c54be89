"""The reasons for delivering nothing: one list, spelled in one place, told in the README and by the API."""

import ast
import re
from pathlib import Path

import pytest

from gateway import nondelivery, provider
from gateway.nondelivery import NonDelivery
from infra import openapi
from infra.answers import Reason

ROOT = Path(__file__).parents[3]
GATEWAY = ROOT / "layers/core/python/gateway"
ENGINE = (
    *sorted(path for path in (GATEWAY / "providers").glob("*.py") if path.stem not in {"__init__", "checking"}),
    *(GATEWAY / f"{name}.py" for name in ("advance", "outputs", "closing")),
)


def test_the_list_holds_what_the_contract_names() -> None:
    assert set(NonDelivery) >= {
        *("moderated_input", "moderated_output", "empty_output", "expired_output", "provider_error", "provider_lost"),
        *("provider_unavailable", "rate_limited", "provider_auth", "invalid_inputs", "cancelled"),
    }
    assert all(one.meaning.endswith(".") for one in NonDelivery)


def test_a_code_that_is_not_listed_never_reaches_a_caller() -> None:
    told = nondelivery.reason("nsfw_policy_7", "what the provider said", retryable=True)
    assert told == {"code": "provider_error", "message": "what the provider said", "retryable": True}


@pytest.mark.parametrize("code", NonDelivery)
def test_a_reason_is_plain_data(code: NonDelivery) -> None:
    told = nondelivery.reason(code, "x" * 600, retryable=False)
    assert (type(told["code"]), told["code"], len(told["message"])) == (str, code.value, 500)


def test_what_adapters_answer_is_typed_by_the_list() -> None:
    assert provider.Refused.__annotations__["code"] is provider.Failed.__annotations__["code"] is NonDelivery


@pytest.mark.parametrize("path", sorted(GATEWAY.rglob("*.py")), ids=lambda path: path.relative_to(GATEWAY).as_posix())
def test_codes_are_spelled_in_one_place(path: Path) -> None:
    if path.name == "nondelivery.py":
        return
    spelled = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    # `cancelled` is also a state that a generation is in, `provider_unavailable` also an answer of the API's own.
    besides = {"jobs.py": {"cancelled"}, "errors.py": {"provider_unavailable"}}
    assert spelled & set(NonDelivery) <= besides.get(path.name, set())


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_whether_another_offer_may_follow_is_as_the_list_says(path: Path) -> None:
    """Every reason that is given with its code and `retryable` spelled out."""
    told = list(spelled_out(ast.parse(path.read_text())))
    assert told
    for code, retryable in told:
        assert NonDelivery[code].another_offer in {None, retryable}, code


def spelled_out(tree: ast.Module) -> list[tuple[str, bool]]:
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        named = [
            one.attr for one in call.args if isinstance(one, ast.Attribute) and one.attr in NonDelivery.__members__
        ]
        keywords = {one.arg: one.value for one in call.keywords}
        is_reason = ast.unparse(call.func).rpartition(".")[2] in {"Refused", "Failed", "Undelivered", "end", "reason"}
        if not (named and is_reason):
            continue
        given = keywords.get("retryable", ast.Constant(value=True))
        if isinstance(given, ast.Constant):
            found += [(name, given.value) for name in named]
    return found


def test_the_api_describes_every_code() -> None:
    described = openapi.document()["components"]["schemas"]
    assert described["NonDelivery"]["enum"] == [one.value for one in NonDelivery]
    told = described["Reason"]["properties"]["code"]["description"]
    assert all(f"`{one}`: {one.meaning}" in told for one in NonDelivery)
    assert Reason.model_fields["code"].annotation is NonDelivery


def test_the_readme_names_every_code_and_no_other() -> None:
    section = (ROOT / "README.md").read_text().partition("## What is charged")[2].partition("\n## ")[0]
    codes = re.findall(r"`([a-z_]+)`", "\n".join(line.split("|")[2] for line in section.splitlines() if "|" in line))
    assert set(codes) - {"completed", "failed"} == set(NonDelivery)
    assert len(codes) == len(set(codes))
