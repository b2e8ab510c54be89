"""A catalog of one small, sound model, to be broken and changed in tests."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from gateway.catalog.compiling import compile_documents

Changed = Callable[[dict[str, Any]], object]

FAMILY: dict[str, Any] = {
    "family": "fox",
    "models": [
        {
            "id": "fox-1",
            "name": "Fox",
            "kind": "video",
            "modes": ["video"],
            "capabilities": {"video-gen": True},
            "video_audio": "silent",
            "generation_types": ["text-to-video"],
            "estimated_time_seconds": 30,
            "inputs": {
                "prompt": {"required": True, "max_length": 2500},
                "tier": {"enum": ["low", "high"], "default": "low"},
                "loud": {"type": "boolean", "default": False},
                "seconds": {"type": "integer", "minimum": 3, "maximum": 15, "default": 5},
                "speed": {"type": "number", "minimum": 0.5, "maximum": 2, "default": 1},
                "style": {},
                "loop": {"type": "boolean"},
                "image": {"type": "media", "media": "image"},
                "images": {"type": "media_list", "media": "image", "max_items": 4},
            },
            "sources": [{"kind": "image", "into": "images", "counts": {"text-to-video": [0, 4]}}],
            "rules": [
                {
                    "code": "low_is_short",
                    "field": "seconds",
                    "when": {"tier": "low"},
                    "require": {"style": {"present": False}},
                    "message": "The low tier has no style.",
                }
            ],
            "meters": {"seconds": {"input": "seconds"}},
            "price_books": [
                {
                    "effective_from": "2026-01-01",
                    "source": "a list",
                    "rows": [
                        {
                            "row_id": "one",
                            "unit": "video_second",
                            "rate": "0.1",
                            "meter": "seconds",
                            "modality": "video",
                        }
                    ],
                }
            ],
            "offers": [
                {
                    "provider": "fal",
                    "endpoints": [{"endpoint": "fal-ai/fox"}],
                    "webhook": True,
                    "typical_seconds": 30,
                    "deadline_seconds": 300,
                    "cost_basis": "list",
                    "source": "a list",
                }
            ],
        }
    ],
}

ROW = ("price_books", 0, "rows", 0)
OFFER = ("offers", 0)
TIERS = ({"tier": "high"}, {"tier": "low"})
"""Conditions that cover every tier."""


def family(*changed: Changed, model_id: str = "fox-1") -> dict[str, Any]:
    """The family's document with changes to its model."""
    made = copy.deepcopy(FAMILY)
    made["models"][0]["id"] = model_id
    for change in changed:
        change(made["models"][0])
    return made


def compiled(*changed: Changed) -> dict[str, Any]:
    """The family with changes to its model, checked and compiled."""
    return compile_documents({"fox.yaml": family(*changed)}, {"fal", "openai"})


def written(directory: Path, *changed: Changed, name: str = "fox.yaml", model_id: str = "fox-1") -> Path:
    """The directory, with the family's document in it as YAML."""
    text = yaml.safe_dump(family(*changed, model_id=model_id), sort_keys=False)
    (directory / name).write_text(text)
    return directory


def setting(*path: str | int, to: Any) -> Changed:
    """Set a place in the model; the last name may be new."""

    def change(model: dict[str, Any]) -> None:
        item: Any = model
        for part in path[:-1]:
            item = item[part]
        item[path[-1]] = to

    return change


def without(*path: str | int) -> Changed:
    """Take a place out of the model."""

    def change(model: dict[str, Any]) -> None:
        item: Any = model
        for part in path[:-1]:
            item = item[part]
        del item[path[-1]]

    return change


def rows(*whens: dict[str, Any], **fields: Any) -> Changed:
    """Replace the rate table by rows with these conditions, named 0, 1, ..."""

    def change(model: dict[str, Any]) -> None:
        book = model["price_books"][0]
        plain = {key: value for key, value in book["rows"][0].items() if key != "row_id"} | fields
        book["rows"] = [{"row_id": str(number), "when": when} | plain for number, when in enumerate(whens)]

    return change


def book(starts: str, **fields: Any) -> Changed:
    """Add a price book like the first one, with other fields in its row."""

    def change(model: dict[str, Any]) -> None:
        later = copy.deepcopy(model["price_books"][0]) | {"effective_from": starts}
        later["rows"][0] |= fields
        model["price_books"].append(later)

    return change


def second_offer(model: dict[str, Any]) -> None:
    """Let another provider serve the model too."""
    model["offers"].append(model["offers"][0] | {"provider": "openai"})
