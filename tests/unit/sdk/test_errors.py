"""The error tree."""

import inspect
import pickle
import re

import pytest

from museway import errors

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]


def test_every_error_is_public_and_drawn_in_the_tree() -> None:
    names = {cls.__name__ for cls in CLASSES}
    assert set(errors.__all__) == names
    assert set(re.findall(r"(?:^    |[├└]── )(\w+)", errors.__doc__ or "", re.MULTILINE)) == names


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_survive_pickling(cls: type[errors.MusewayError]) -> None:
    fields = {"needed_micros": 5, "generation": {"status": "failed"}, "nearest": ["a"]}
    error = cls("No.", code="no", hint="Yes.", status=400, request_id="r", generation_id="g", fields=fields)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert vars(copy) == vars(error)
    assert str(copy) == "No. [no] Yes."


def test_missing_fields_are_none_or_empty() -> None:
    assert errors.InvalidRequest("No.", code="no").field is None
    assert errors.UnknownModel("No.", code="no").nearest == []
    assert errors.InsufficientCredits("No.", code="no").needed_micros is None
    assert errors.AlreadyCreated("No.", code="no").key_id is None
    assert errors.GenerationFailed("No.", code="no").generation == {}
    assert not errors.GenerationFailed("No.", code="no").retryable
    assert errors.WaitTimeout("No.", code="no").generation == {}
