"""What changes in what a model takes."""

from typing import Any

import pytest

from tests.unit.gateway.fox import Changed, setting, without
from tests.unit.gateway.said import said


def field(name: str, **values: Any) -> Changed:
    """Set fields of an input; None takes one out."""

    def change(model: dict[str, Any]) -> None:
        for key, value in values.items():
            if value is None:
                model["inputs"][name].pop(key, None)
            else:
                model["inputs"][name][key] = value

    return change


@pytest.mark.parametrize(
    ("old", "new", "sentence", "breaking"),
    [
        (field("seconds"), field("seconds", maximum=20), "seconds: 3-15 -> 3-20", False),
        (field("seconds"), field("seconds", minimum=2, maximum=10), "seconds: 3-15 -> 2-10", True),
        (field("seconds"), field("seconds", minimum=4), "seconds: 3-15 -> 4-15", True),
        (field("speed"), field("speed", maximum=None), "speed: 0.5-2 -> from 0.5", False),
        (field("speed"), field("speed", minimum=None), "speed: 0.5-2 -> up to 2", False),
        (
            field("speed", minimum=None, maximum=None),
            field("speed", minimum=None, maximum=2),
            "speed: any -> up to 2",
            True,
        ),
        (
            field("seconds", type="seconds"),
            field("seconds", type="seconds", maximum=20),
            "seconds: 3-15 s -> 3-20 s",
            False,
        ),
        (field("images", max_items=8), field("images"), "images: up to 8 entries -> up to 4 entries", True),
        (field("images"), field("images", min_items=1), "images: up to 4 entries -> 1-4 entries", True),
        (field("prompt"), field("prompt", max_length=5000), "prompt: 2,500 characters -> 5,000 characters", False),
        (field("prompt"), field("prompt", max_length=500), "prompt: 2,500 characters -> 500 characters", True),
        (field("prompt"), field("prompt", max_length=None), "prompt: 2,500 characters -> any length", False),
        (field("tier"), field("tier", enum=["low", "high", "top"]), "tier: now also top", False),
        (field("tier"), field("tier", enum=["low"]), "tier: no longer high", True),
        (field("tier"), field("tier", enum=["high", "low"]), "tier: in another order: high, low", False),
        (field("style"), field("style", enum=["flat", "deep"]), "style: now one of flat, deep", True),
        (
            field("style", enum=["flat", "deep"]),
            field("style"),
            "style: now anything, not only flat, deep",
            False,
        ),
        (field("prompt"), field("prompt", required=None), "prompt: no longer required", False),
        (field("image"), field("image", required=True), "image: now required", True),
        (field("seconds"), field("seconds", default=6), "seconds: default 5 -> 6", True),  # it is what is billed
        (field("tier"), field("tier", default="high"), "tier: default low -> high", False),
        (field("style"), field("style", description="How"), "style: description: none -> How", False),
        (field("tier"), field("tier", aliases={"fast": "low"}), 'tier: aliases: none -> {"fast": "low"}', False),
        (
            field("tier", aliases={"fast": "low"}),
            field("tier", aliases={"fast": "high"}),
            "tier: aliases.fast: low -> high",
            True,
        ),
    ],
)
def test_an_inputs_limit(old: Changed, new: Changed, sentence: str, breaking: bool) -> None:
    assert said(new, old=(old,)) == [(sentence, breaking)]


def test_inputs_that_come_and_go() -> None:
    seed = setting("inputs", "seed", to={"type": "integer"})
    voice = setting("inputs", "voice", to={"required": True})
    assert said(seed, voice) == [("new input seed", False), ("new input voice, which is required", True)]
    assert said(old=(seed,)) == [("input seed is gone", True)]


def shots(**fields: Any) -> Changed:
    text = {"max_length": 100} | fields
    return setting("inputs", "shots", to={"type": "objects", "entries": {"text": text}, "max_items": 6})


def test_an_entry_of_a_list_is_named_with_the_list() -> None:
    assert said(shots(max_length=50), old=(shots(),)) == [("shots: shots.text: 100 characters -> 50 characters", True)]


@pytest.mark.parametrize(
    ("old", "new", "sentence", "breaking"),
    [
        ({"bytes_max": 10_000_000}, {"bytes_max": 5_000_000}, "10 MB -> 5 MB a file", True),
        ({"bytes_max": 900}, {"bytes_max": 2_500_000}, "900 bytes -> 2.5 MB a file", False),
        ({}, {"side_min_px": 300}, "any -> from 300 px per side", True),
        ({"side_min_px": 300}, {"side_min_px": 200}, "from 300 px per side -> from 200 px per side", False),
        ({}, {"seconds_max": 15}, "any -> up to 15 s a file", True),
        ({"total_seconds_max": 15}, {"total_seconds_max": 30}, "up to 15 s in all -> up to 30 s in all", False),
        ({}, {"formats": ["image/jpeg", "image/png"]}, "no longer image/webp", True),
        ({}, {"kind": "audio"}, "media.kind: image -> audio", True),
    ],
)
def test_media(old: dict[str, Any], new: dict[str, Any], sentence: str, breaking: bool) -> None:
    usual = {"kind": "image", "formats": ["image/jpeg", "image/png", "image/webp"], "bytes_max": 10_000_000}
    before, after = (setting("inputs", "image", "media", to=usual | media) for media in (old, new))
    ((clause, found),) = said(after, old=(before,))
    assert clause.removeprefix("image: ").removeprefix("formats: ") == sentence
    assert found == breaking


def counts(low: int, high: int) -> Changed:
    return setting("sources", 0, "counts", to={"text-to-video": [low, high]})


def test_sources() -> None:
    assert said(counts(0, 2)) == [("image sources of text-to-video: 0-4 -> 0-2", True)]
    assert said(counts(1, 4)) == [("image sources of text-to-video: 0-4 -> 1-4", True)]
    assert said(counts(0, 4), old=(counts(1, 2),)) == [("image sources of text-to-video: 1-2 -> 0-4", False)]
    assert said(without("sources")) == [
        ("image sources of text-to-video: 0-4 -> 0-0", True),
        ("image sources are no longer taken", True),
    ]
    assert said(old=(without("sources"),)) == [
        ("image sources of text-to-video: 0-0 -> 0-4", False),
        ("image sources are taken", False),
    ]


def test_rules() -> None:
    assert said(without("rules")) == [('rule low_is_short is gone: "The low tier has no style."', False)]
    assert said(old=(without("rules"),)) == [('new rule low_is_short: "The low tier has no style."', True)]
    # Only the words are others.
    assert said(setting("rules", 0, "message", to="No style.")) == [
        ('new rule low_is_short: "No style."', False),
        ('rule low_is_short is gone: "The low tier has no style."', False),
    ]


def test_what_a_model_does() -> None:
    both = setting("generation_types", to=["text-to-video", "image-to-video"])
    assert said(both) == [("generation types: now also image-to-video", False)]
    assert said(old=(both,)) == [("generation types: no longer image-to-video", True)]
    assert said(setting("modes", to=["video", "music"])) == [("modes: now also music", False)]
    more = setting("capabilities", to={"video-gen": True, "audio-out": True})
    assert said(more) == [("new capability audio-out: true", False)]
    assert said(old=(more,)) == [("capability audio-out is gone", True)]
    assert said(setting("capabilities", "video-gen", to=False)) == [("capability video-gen: true -> false", True)]
    named = setting("fields", to={"look": "style"})
    assert said(named) == [("new typed field look: style", False)]
    assert said(setting("fields", to={"look": "tier"}), old=(named,)) == [("typed field look: style -> tier", True)]


def test_references() -> None:
    people = setting("inputs", "people", to={"type": "objects", "entries": {"name": {}}, "max_items": 3})
    names = setting("references", to=[{"text": "prompt", "entries": "people", "key": "name"}])
    ((clause, breaking),) = said(people, names, old=(people,))
    assert breaking
    assert clause.startswith("names in prompt must be those of people")
    assert said(people, old=(people, names)) == [("names in prompt are no longer held against people", False)]


def test_what_no_price_covers() -> None:
    named = setting("unpriced", to=["hd", "upscale"])
    assert said(named) == [
        ("hd is refused from now on, because no price covers it", True),
        ("upscale is refused from now on, because no price covers it", True),
    ]
    assert said(old=(named,)) == [("hd is no longer refused", False), ("upscale is no longer refused", False)]
    turned = setting("unpriced", to=["upscale", "hd"])
    assert said(turned, old=(named,)) == [("what is refused is listed in another order", False)]
