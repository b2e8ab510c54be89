"""How an answer is held to a row: the same in process and over HTTP."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.seeds.table import Refusal


def differences(expected: Refusal, status: int, body: Mapping[str, Any]) -> list[str]:
    """What of a refusal is not as expected, in words."""
    found = [] if status == expected.status else [f"status {status}, not {expected.status}"]
    wanted = {"error": expected.code, **expected.body}
    found += [f"{key} {body.get(key)!r}, not {value!r}" for key, value in wanted.items() if body.get(key) != value]
    field = str(body.get("field")).partition("[")[0]  # an entry of a list is named list[0]
    if expected.field is not None and field != expected.field:
        found.append(f"field {field}, not {expected.field}")
    if expected.allowed is not None and _plain(body.get("allowed")) != _plain(expected.allowed):
        found.append(f"allowed {body.get('allowed')!r}, not {expected.allowed!r}")
    if expected.variants and _plain(body.get("available_variants")) != _plain(expected.variants):
        found.append(f"available_variants {body.get('available_variants')!r}, not {expected.variants!r}")
    if expected.among is not None and expected.among not in body.get("available_variants", ()):
        found.append(f"available_variants {body.get('available_variants')!r} without {expected.among!r}")
    return found + ([] if body.get("hint") and body.get("message") else ["no hint or no message"])


def ignored(request: Mapping[str, Any], warnings: Iterable[str]) -> set[str]:
    """The fields of a request that some warning names."""
    said = tuple(warnings)
    return {name for name in request if any(f"'{name}'" in warning for warning in said)}


def _plain(value: Any) -> Any:
    """A list as a set, because the order of choices means nothing."""
    return {*value} if isinstance(value, list | tuple) else value
