"""The part of JSON Schema that the catalog's input schemas use, evaluated; an unknown keyword is an error."""

from typing import Any

_TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: _TYPES["number"](value) and value == int(value),
}
_ANNOTATIONS = {"$schema", "default", "description", "format"}


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Whether a schema holds for a JSON value."""
    return all(_holds(keyword, expected, value) for keyword, expected in schema.items())


def _holds(keyword: str, expected: Any, value: Any) -> bool:
    if keyword in _ANNOTATIONS:
        return True
    if keyword == "type":
        return _TYPES[expected](value)
    if keyword == "enum":
        return any(choice == value and isinstance(choice, bool) == isinstance(value, bool) for choice in expected)
    if keyword in {"minimum", "maximum"}:
        return not _TYPES["number"](value) or (value >= expected if keyword == "minimum" else value <= expected)
    if keyword in {"minLength", "maxLength"}:
        return not isinstance(value, str) or _within(keyword, expected, value)
    if keyword in {"minItems", "maxItems"}:
        return not isinstance(value, list) or _within(keyword, expected, value)
    if keyword == "items":
        return not isinstance(value, list) or all(accepts(expected, entry) for entry in value)
    return _holds_of_object(keyword, expected, value)


def _within(keyword: str, expected: int, value: str | list[Any]) -> bool:
    return len(value) >= expected if keyword.startswith("min") else len(value) <= expected


def _holds_of_object(keyword: str, expected: Any, value: Any) -> bool:
    if not isinstance(value, dict):
        return True
    if keyword == "properties":
        return all(accepts(schema, value[name]) for name, schema in expected.items() if name in value)
    if keyword == "required":
        return all(name in value for name in expected)
    if keyword == "additionalProperties" and expected is True:
        return True
    raise NotImplementedError(keyword)
