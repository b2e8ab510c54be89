"""The tree of refusals is what its drawing says, and each has the contract's shape."""

import json
import re
from typing import Any

import pytest

from gateway import errors
from gateway.errors import GatewayError

DRAWN = re.compile(r"^ {4}[│ ]*[├└]── (?P<name>\w+) +(?P<status>\d{3}) +(?P<codes>.+)$", re.MULTILINE)


def tree(cls: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    return [
        cls,
        *(found for child in cls.__subclasses__() if child.__module__ == errors.__name__ for found in tree(child)),
    ]


DRAWING = {found["name"]: (int(found["status"]), found["codes"]) for found in DRAWN.finditer(errors.__doc__ or "")}
CLASSES = tree()


def test_the_drawing_shows_every_class_once() -> None:
    assert set(DRAWING) == {cls.__name__ for cls in CLASSES} - {"GatewayError"}
    assert len(DRAWN.findall(errors.__doc__ or "")) == len(DRAWING)


@pytest.mark.parametrize("cls", CLASSES[1:], ids=lambda cls: cls.__name__)
def test_code_and_status_are_as_drawn(cls: type[GatewayError]) -> None:
    status, codes = DRAWING[cls.__name__]
    assert cls.status == status
    assert cls.code in re.findall(r"[a-z_]+", codes)


def test_children_are_drawn_below_their_parents() -> None:
    order = list(DRAWING)
    for cls in CLASSES[1:]:
        parent = cls.__mro__[1].__name__
        assert parent == "GatewayError" or order.index(parent) < order.index(cls.__name__)
        assert cls.__mro__[1] is GatewayError or cls.status == cls.__mro__[1].status


def test_a_code_means_one_class_and_status() -> None:
    pairs = [(cls.code, cls.status) for cls in CLASSES]
    assert len(set(pairs)) == len(pairs)
    # The one code with two statuses: a request that is wrong, and a field that cannot be read.
    codes = [code for code, _ in pairs]
    assert {code for code in codes if codes.count(code) > 1} == {"invalid_request"}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_body(cls: type[GatewayError]) -> None:
    error = cls("The duration is too long.", field="duration", allowed={"maximum": 15})
    assert error.body() == {
        "error": cls.code,
        "message": "The duration is too long.",
        "hint": cls.hint,
        "field": "duration",
        "allowed": {"maximum": 15},
    }
    assert str(error) == "The duration is too long."
    assert json.loads(json.dumps(error.body())) == error.body()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_says_what_it_is_and_what_to_do(cls: type[GatewayError]) -> None:
    assert cls.__doc__
    assert cls.hint.endswith(".")
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", cls.code)


def test_the_raiser_may_be_more_precise() -> None:
    error: Any = errors.BadRequest("Too many.", code="too_many_images", hint="Send fewer.", field="source_media_urls")
    assert error.body() == {
        "error": "too_many_images",
        "message": "Too many.",
        "hint": "Send fewer.",
        "field": "source_media_urls",
    }
    assert errors.BadRequest.code == "invalid_request"
