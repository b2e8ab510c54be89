"""The operator's door: projects, credits, keys, and the catalog's publication at deploy."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway import auth, catalog, operator
from tests.integration.cloudformation import ECHO, asked, cloudformation
from tests.integration.world import COMPILED, GRANTED_MICROS, PROJECT, World


def admin(museway: World, action: str, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = museway._call("admin", {"action": action} | request)
    return answer


def stored(museway: World, table: str) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in museway.dynamodb.scan(TableName=table)["Items"])


def test_a_project_from_nothing_to_its_first_generation(museway: World) -> None:
    made = admin(museway, "project.create", project_id="acme", name=" Acme ")
    assert made == {"project_id": "acme", "name": "Acme"}
    granted = admin(museway, "project.grant", project_id="acme", amount_micros=50_000, grant_id="1", note="welcome")
    assert granted == {"project_id": "acme", "amount_micros": 50_000, "available_micros": 50_000}
    key = admin(museway, "project.key", project_id="acme", name="laptop")["api_key"]
    assert museway.request("POST", "/v1/generate/media", {"model": "nano-banana", "prompt": "x"}, key=key)[0] == 202
    assert museway.request("GET", "/v1/balance", key=key)[1]["held_micros"] == 39_000
    assert museway.totals().granted_micros == GRANTED_MICROS
    _, entries, _ = museway.request("GET", "/v1/ledger", key=key)
    assert [(entry["type"], entry["note"]) for entry in entries["items"]] == [("hold", None), ("grant", "welcome")]
    assert museway.violations() == []


def test_a_project_without_an_id_is_given_one(museway: World) -> None:
    made = {admin(museway, "project.create", name="Acme")["project_id"] for _ in range(2)}
    assert len(made) == 2
    assert all(project_id.startswith("prj_") for project_id in made)


def test_a_project_is_made_once(museway: World) -> None:
    before = stored(museway, "projects")
    answer = admin(museway, "project.create", project_id=PROJECT, name="Another")
    assert (answer["error"], answer["field"]) == ("invalid_request", "project_id")
    assert stored(museway, "projects") == before


@pytest.mark.parametrize(
    "project_id", ["A", "a", "-ab", "_ab", "Acme", "a b", "a/b", "a#b", "ä" * 3, "a" * 65, "ab\n", "../ab"]
)
def test_a_project_id_is_plain(museway: World, project_id: str) -> None:
    before = stored(museway, "projects")
    answer = admin(museway, "project.create", project_id=project_id, name="Acme")
    assert (answer["error"], answer["field"]) == ("invalid_request", "project_id")
    assert stored(museway, "projects") == before


@pytest.mark.parametrize(
    ("action", "request_", "field"),
    [
        ("project.create", {"project_id": "acme"}, "name"),
        ("project.create", {"project_id": "acme", "name": "  "}, "name"),
        ("project.create", {"project_id": "acme", "name": 5}, "name"),
        ("project.grant", {"amount_micros": 1, "grant_id": "1"}, "project_id"),
        ("project.grant", {"project_id": PROJECT, "amount_micros": 1}, "grant_id"),
        *(
            ("project.grant", {"project_id": PROJECT, "amount_micros": amount, "grant_id": "1"}, "amount_micros")
            for amount in (0, -1, 1.0, 1.5, True, "1", None, [1])
        ),
        ("project.key", {}, "project_id"),
        ("project.key", {"project_id": PROJECT, "name": 5}, "name"),
        ("project.key", {"project_id": PROJECT, "scopes": "every"}, "scopes"),
        ("project.key", {"project_id": PROJECT, "scopes": ["read", "root"]}, "scopes"),
        ("project.key", {"project_id": PROJECT, "expires_at": "2026-11-20"}, "expires_at"),
        (
            "project.key",
            {"project_id": PROJECT, "spending_limit": {"day_micros": "5"}},
            "spending_limit.day_micros",
        ),
        ("project.key", {"project_id": PROJECT, "scopes": "all", "spending_limit": {"day_micros": 5}}, "scopes"),
        ("project.key.revoke", {"project_id": PROJECT}, "key_id"),
        ("project.delete", {}, "action"),
        ("", {}, "action"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_changes_nothing(
    museway: World, action: str, request_: dict[str, Any], field: str
) -> None:
    before = stored(museway, "projects"), stored(museway, "ledger")
    answer = admin(museway, action, **request_)
    assert (answer["error"], answer["field"]) == ("invalid_request", field)
    assert answer["message"]
    assert answer["hint"]
    assert (stored(museway, "projects"), stored(museway, "ledger")) == before


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ("project.grant", {"amount_micros": 1, "grant_id": "1"}),
        ("project.key", {}),
        ("project.key.revoke", {"key_id": "nobody"}),
    ],
)
def test_a_project_that_is_not_there_is_not_found(museway: World, action: str, request_: dict[str, Any]) -> None:
    assert admin(museway, action, project_id="nobody", **request_)["error"] == "not_found"


def test_a_grant_is_made_once_per_id(museway: World) -> None:
    for _ in range(3):
        answer = admin(museway, "project.grant", project_id=PROJECT, amount_micros=7, grant_id="g")
        assert answer["available_micros"] == GRANTED_MICROS + 7
    assert admin(museway, "project.grant", project_id=PROJECT, amount_micros=7, grant_id="h")["available_micros"] == (
        GRANTED_MICROS + 14
    )
    assert museway.violations() == []


def test_grants_of_projects_whose_names_run_into_each_other_are_apart(museway: World) -> None:
    admin(museway, "project.create", project_id="demo-eu", name="Demo EU")
    admin(museway, "project.grant", project_id=PROJECT, amount_micros=7, grant_id="eu-1")
    answer = admin(museway, "project.grant", project_id="demo-eu", amount_micros=5, grant_id="1")
    assert answer["available_micros"] == 5
    assert museway.totals().granted_micros == GRANTED_MICROS + 7
    assert museway.violations() == []


def test_a_key_is_shown_once_and_kept_as_a_hash(museway: World) -> None:
    key = admin(museway, "project.key", project_id=PROJECT, name="laptop")
    secret = key["api_key"].removeprefix("mw_")[12:44]
    assert not any(secret in item for item in stored(museway, "projects"))
    assert key["key_id"] in key["api_key"]
    assert museway.request("GET", "/v1/balance", key=key["api_key"])[0] == 200


def test_a_key_has_the_scopes_limit_and_end_that_the_operator_gives(museway: World) -> None:
    assert admin(museway, "project.key", project_id=PROJECT)["scopes"] == list(auth.DEFAULT_SCOPES)
    assert admin(museway, "project.key", project_id=PROJECT, scopes="all")["scopes"] == list(auth.SCOPES)
    end, limit = "2026-11-22T00:00:00.000000Z", {"day_micros": 0, "month_micros": None, "total_micros": None}
    given = {"scopes": ["secrets:read"], "spending_limit": {"day_micros": 0}, "expires_at": end}
    made = admin(museway, "project.key", project_id=PROJECT, **given)
    assert (made["scopes"], made["spending_limit"], made["expires_at"]) == (["secrets:read"], limit, end)


def test_a_key_is_revoked_at_once_and_for_good(museway: World) -> None:
    key = admin(museway, "project.key", project_id=PROJECT)
    revoked = admin(museway, "project.key.revoke", project_id=PROJECT, key_id=key["key_id"])
    assert museway.request("GET", "/v1/balance", key=key["api_key"])[0] == 401
    museway.clock.sleep(60)
    assert admin(museway, "project.key.revoke", project_id=PROJECT, key_id=key["key_id"]) == revoked
    assert museway.request("GET", "/v1/balance")[0] == 200


def test_a_key_of_another_project_is_not_there_to_be_revoked(museway: World) -> None:
    admin(museway, "project.create", project_id="other", name="Other")
    assert admin(museway, "project.key.revoke", project_id="other", key_id=museway.key_id)["error"] == "not_found"
    assert museway.request("GET", "/v1/balance")[0] == 200


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog as the build leaves it: today's, without its last model."""
    path = tmp_path / "compiled.json"
    path.write_text(json.dumps(COMPILED | {"models": COMPILED["models"][:-1]}))
    monkeypatch.setattr(operator, "COMPILED_CATALOG", path)
    return path


def shown(museway: World) -> tuple[str, int]:
    """The catalog as callers see it, a container's patience later."""
    catalog._Cache.checked_at_seconds = 0.0
    _, models, _ = museway.request("GET", "/v1/models", key=None)
    return models["catalog_version"], len(models["items"])


@pytest.mark.usefixtures("built")
def test_a_published_catalog_replaces_the_one_before(museway: World) -> None:
    before = shown(museway)
    version = admin(museway, "catalog.publish")["catalog_version"]
    assert shown(museway) == (version, before[1] - 1)
    assert admin(museway, "catalog.publish")["catalog_version"] == version  # again changes nothing
    assert shown(museway) == (version, before[1] - 1)
    assert museway.request("GET", "/health", key=None)[1]["catalog_version"] == version


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_deployment_publishes_the_catalog_and_is_told_so(museway: World, kind: str) -> None:
    before = shown(museway)
    with cloudformation() as (url, heard):
        museway._call("admin", asked(kind, url))
    version = shown(museway)[0]
    assert version != before[0]
    expected = {"PhysicalResourceId": "catalog", "Status": "SUCCESS", "Data": {"CatalogVersion": version}}
    # S3's presigned URL is signed without a content type.
    assert heard == [("", ECHO | expected)]


@pytest.mark.usefixtures("built")
def test_a_stack_that_is_deleted_leaves_the_catalog_alone(museway: World) -> None:
    before = shown(museway)
    with cloudformation() as (url, heard):
        museway._call("admin", asked("Delete", url))
    assert shown(museway) == before
    assert heard == [("", ECHO | {"PhysicalResourceId": "catalog", "Status": "SUCCESS"})]


@pytest.mark.parametrize("text", [None, "", "{"])
def test_a_publication_that_fails_tells_the_deployment_why(museway: World, built: Path, text: str | None) -> None:
    built.unlink() if text is None else built.write_text(text)
    before = shown(museway)
    with cloudformation() as (url, heard):
        museway._call("admin", asked("Update", url))
    [(_, answer)] = heard
    assert answer["Status"] == "FAILED"
    assert ("FileNotFoundError" if text is None else "JSONDecodeError") in answer["Reason"]
    assert answer.items() >= ECHO.items()
    assert shown(museway) == before


def test_a_grant_id_that_gave_another_amount_is_refused(museway: World) -> None:
    admin(museway, "project.grant", project_id=PROJECT, amount_micros=7, grant_id="once")
    before = museway.totals()
    answer = admin(museway, "project.grant", project_id=PROJECT, amount_micros=8, grant_id="once")
    assert (answer["error"], answer["field"]) == ("grant_id_reused", "grant_id")
    assert museway.totals() == before
