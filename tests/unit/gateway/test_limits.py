"""What models take: every refusal with its code and field, both doors, and no failure for any JSON."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import BadRequest, GatewayError, InvalidField
from gateway.limits import Input, Limits, Media, References, Rule, Sources
from gateway.limits.requests import Normalized, Source, from_native, from_typed, kind_of
from tests.unit.gateway.shipped import SNAPSHOT

PNG, MP4, MP3 = "https://example.com/a.png", "https://example.com/a.mp4", "https://example.com/a.mp3"
FOX = {"prompt": "a fox"}

MADE = Limits(
    inputs={
        "prompt": Input("prompt", "text", required=True, max_length=10),
        "style": Input("style", "text", enum=("flat", "deep"), default="flat"),
        "seconds": Input("seconds", "seconds", minimum=Decimal(3), maximum=Decimal(15), default=5),
        "speed": Input("speed", "number", minimum=Decimal("0.25"), maximum=Decimal(4)),
        "loop": Input("loop", "boolean"),
        "first": Input("first", "media", media=Media("image")),
        "last": Input("last", "media", media=Media("image")),
        "videos": Input("videos", "media_list", max_items=2, media=Media("video")),
        "sounds": Input("sounds", "media_list", max_items=3, media=Media("audio")),
        "quality": Input("quality", "text", enum=("standard", "hd"), aliases={"pro": "hd"}),
        "size": Input(
            "size", "size", minimum=Decimal(64), maximum=Decimal(2048),
            presets={"square": (512, 512), "wide": (1024, 512)},
        ),
        "cast": Input(
            "cast", "objects", max_items=2, one_of=("faces", "clip"),
            entries={
                "name": Input("name", "text", required=True, max_length=8),
                "faces": Input("faces", "media_list", min_items=2, max_items=4, media=Media("image", side_min_px=300)),
                "clip": Input("clip", "media", media=Media("video")),
            },
        ),
    },
    generation_types=("text-to-video", "image-to-video", "video-to-video"),
    fields={"duration": "seconds", "sound": "loop"},
    sources=(
        Sources("image", ("first", "last"), {"image-to-video": (1, 2)}),
        Sources("video", ("videos",), {"video-to-video": (1, 2)}),
        Sources("audio", ("sounds",), {"video-to-video": (0, 1)}),
    ),
    rules=(
        Rule("no_fast_loop", "speed", {"loop": True}, {"speed": [1]}, "A loop runs at speed 1."),
        Rule("flat_is_short", "seconds", {"style": "flat", "quality": "hd"}, {"seconds": {"lte": 10}}, "At most 10 s."),
    ),
    references=(References("prompt", "cast", "name"),),
)  # fmt: skip
NO_MEDIA = {"generation_type": "text-to-video"}


def typed(**request: Any) -> Normalized:
    return from_typed(MADE, FOX | request)


def native(**inputs: Any) -> Normalized:
    return from_native(MADE, FOX | inputs, MADE.inputs)


def refusal(call: Any, *arguments: Any, **request: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        call(*arguments, **request)
    return caught.value


# What is accepted.


@pytest.mark.parametrize("door", [typed, native])
@pytest.mark.parametrize(
    ("given_value", "seconds"),
    [
        (5, 5), ("5", 5), ("5s", 5), (5.0, 5), (15, 15), ("3s", 3),
    ],
)  # fmt: skip
def test_a_duration_however_it_is_written(door: Any, given_value: Any, seconds: int) -> None:
    found = door(seconds=given_value).inputs["seconds"]
    assert (found, type(found)) == (seconds, int)


@pytest.mark.parametrize("door", [typed, native])
@pytest.mark.parametrize(("given_value", "speed"), [(0.25, 0.25), (1, 1), (1.0, 1), (4, 4)])
def test_a_number_however_it_is_written(door: Any, given_value: Any, speed: float) -> None:
    assert door(speed=given_value).inputs["speed"] == speed


def test_defaults_fill_what_is_not_given_or_null() -> None:
    expected = NO_MEDIA | {"prompt": "a fox", "style": "flat", "seconds": 5}
    assert typed().inputs == expected
    assert typed(style=None, seconds=None, loop=None).inputs == expected
    assert {k: v for k, v in native(style=None, seed=None).inputs.items() if v is not None} == expected


def test_typed_fields_reach_the_models_own_inputs() -> None:
    found = typed(duration="7s", sound=False).inputs
    assert found == NO_MEDIA | {"prompt": "a fox", "style": "flat", "seconds": 7, "loop": False}


def test_an_input_given_under_two_names_is_refused() -> None:
    error = refusal(typed, duration="7s", seconds=7)
    assert (type(error), error.fields) == (InvalidField, {"field": "seconds"})


def test_fields_that_a_model_does_not_use_are_ignored_and_named() -> None:
    found = typed(seed=7, resolution="4K", mood=None)
    assert {"seed", "resolution"}.isdisjoint(found.inputs)
    assert found.warnings == (
        "'seed' is not used by this model and was ignored.",
        "'resolution' is not used by this model and was ignored.",
    )


def test_unknown_native_inputs_pass_untouched() -> None:
    unknown = {"seed": 7, "lora": {"path": ["a", 1.5, None]}, "n": "5s", "nothing": None}
    found = native(**unknown)
    assert {name: found.inputs[name] for name in unknown} == unknown
    assert found.warnings == ()


def test_native_inputs_that_are_not_priced_are_left_to_the_model_within_their_type() -> None:
    found = from_native(MADE, {"prompt": "longer than ten", "style": "baroque", "seconds": "99s"}, priced=())
    assert found.inputs == NO_MEDIA | {"prompt": "longer than ten", "style": "baroque", "seconds": 99}
    assert refusal(from_native, MADE, FOX | {"seconds": "soon"}, ()).fields["field"] == "inputs.seconds"


# Sources.


@pytest.mark.parametrize(
    ("generation_type", "urls", "placed"),
    [
        (None, None, {}),
        (None, [], {}),
        ("image-to-video", PNG, {"first": PNG}),
        ("image-to-video", [PNG], {"first": PNG}),
        ("image-to-video", [PNG, PNG + "?2"], {"first": PNG, "last": PNG + "?2"}),
        ("image-to-video", ["https://example.com/A.JPEG?x=a.mp4#b.mp3"], {"first": "https://example.com/A.JPEG?x=a.mp4#b.mp3"}),
        ("image-to-video", ["https://example.com/no-extension"], {"first": "https://example.com/no-extension"}),
        ("video-to-video", [MP4], {"videos": [MP4]}),
        ("video-to-video", [MP3, MP4, MP4], {"videos": [MP4, MP4], "sounds": [MP3]}),
    ],
)  # fmt: skip
def test_sources_are_placed_by_kind(generation_type: str | None, urls: Any, placed: dict[str, Any]) -> None:
    found = typed(generation_type=generation_type, source_media_urls=urls)
    assert {
        name: found.inputs[name] for name in ("first", "last", "videos", "sounds") if name in found.inputs
    } == placed


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((f"a.{ending}", "image") for ending in ("jpg", "jpeg", "png", "webp", "PNG")),
        *((f"a.{ending}", "video") for ending in ("mp4", "mov", "webm")),
        *((f"a.{ending}", "audio") for ending in ("mp3", "wav", "m4a")),
        *((name, None) for name in ("a.gif", "a", "", "png", "a.png/b", "a.txt", "a?b.png", "a#b.png", "a.png\n")),
    ],
)
def test_kinds_by_extension(name: str, kind: str | None) -> None:
    assert kind_of(f"https://example.com/{name}") == kind


def test_media_are_listed_with_field_and_kind_for_probing() -> None:
    found = typed(generation_type="video-to-video", source_media_urls=[MP4, MP3])
    assert found.media == (Source("source_media_urls", MP4, "videos"), Source("source_media_urls", MP3, "sounds"))
    cast = [{"name": "fox", "faces": [PNG, PNG]}, {"name": "hen", "clip": MP4}]
    assert native(videos=[MP4, MP4], cast=cast).media == (
        *[Source("inputs.videos", MP4, "videos")] * 2,
        *[Source("inputs.cast", PNG, "cast.faces")] * 2, Source("inputs.cast", MP4, "cast.clip"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given_media", "chosen"),
    [
        ({}, "text-to-video"),
        ({"source_media_urls": PNG}, "image-to-video"),
        ({"source_media_urls": [MP4, MP3]}, "video-to-video"),
        ({"first": PNG, "last": PNG}, "image-to-video"),
    ],
)
def test_the_media_that_are_given_tell_the_generation_type(given_media: dict[str, Any], chosen: str) -> None:
    assert typed(**given_media).inputs["generation_type"] == chosen


def test_media_are_given_in_one_way() -> None:
    error = refusal(typed, source_media_urls=PNG, last=PNG)
    assert (type(error), error.fields) == (InvalidField, {"field": "source_media_urls"})


def test_another_word_for_a_value() -> None:
    assert typed(quality="pro").inputs["quality"] == "hd"


@pytest.mark.parametrize("size", ["square", {"width": 64, "height": 2048}])
def test_a_size_is_a_preset_or_two_sides(size: Any) -> None:
    assert typed(size=size).inputs["size"] == size


def test_one_url_stands_for_a_list_of_one() -> None:
    assert native(videos=MP4).inputs["videos"] == [MP4]


# What is refused: request, class, code, field, allowed.

SECONDS = {"minimum": 3, "maximum": 15}
WHOLE, NUMBER = 'whole seconds, such as 5 or "5s"', "a number"
MISTYPED: list[tuple[str, Any, str]] = [
    *(("seconds", v, WHOLE) for v in (5.5, "5.5", True, False, "abc", "", "s", " ", "5 m", "5 s", "05", [5], {"a": 5})),
    *(("seconds", value, WHOLE) for value in ("1e999", 10**40, float("inf"), float("nan"), "1" * 41, "-5", "0x10")),
    *(("speed", value, NUMBER) for value in (True, "1", "fast", float("inf"), float("nan"), 10**30, [1])),
    *(("loop", value, "true or false") for value in (0, 1, "true", [], "")),
    *(("prompt", value, "text") for value in (5, True, ["a"], {"a": 1})),
    *(("style", value, "text") for value in (5, ["flat"])),
    *(("first", value, "a URL") for value in (5, [PNG], {"url": PNG}, "")),
    *(("videos", value, "a list of URLs") for value in (5, {"url": MP4}, [5], [[MP4]], [None], [MP4, 5], "", [""])),
    *(("cast", value, "a list of objects") for value in (5, {"name": "fox"}, ["fox"], [["fox"]])),
    *(("size", value, "a preset's name or {width, height}") for value in (5, True, [64, 64])),
]  # fmt: skip


@pytest.mark.parametrize("door", [typed, native])
@pytest.mark.parametrize(("name", "value", "allowed"), MISTYPED)
def test_a_value_of_the_wrong_type(door: Any, name: str, value: Any, allowed: str) -> None:
    error = refusal(door, **{name: value})
    assert isinstance(error, InvalidField)
    assert (error.error_code, error.status) == ("invalid_request", 422)
    assert error.fields == {"field": name if door is typed else f"inputs.{name}", "allowed": allowed}


OUT_OF_RANGE: list[tuple[str, Any, str, Any]] = [
    ("seconds", 2, "invalid_request", SECONDS),
    ("seconds", 16, "invalid_request", SECONDS),
    ("seconds", "16s", "invalid_request", SECONDS),
    ("seconds", -5, "invalid_request", SECONDS),
    ("seconds", 0, "invalid_request", SECONDS),
    ("seconds", 1e20, "invalid_request", SECONDS),
    ("speed", 0.249, "invalid_request", {"minimum": 0.25, "maximum": 4}),
    ("speed", 4.0001, "invalid_request", {"minimum": 0.25, "maximum": 4}),
    ("style", "Flat", "invalid_request", ["flat", "deep"]),
    ("style", "", "invalid_request", ["flat", "deep"]),
    ("prompt", "eleven char", "prompt_too_long", 10),
    ("videos", [MP4] * 3, "invalid_request", {"minimum": 0, "maximum": 2}),
    *(
        ("size", value, "invalid_request", {"presets": ["square", "wide"], "side_minimum": 64, "side_maximum": 2048})
        for value in ("huge", {}, {"width": 64}, {"width": 64, "height": 63}, {"width": 64, "height": 64, "depth": 1})
    ),
]


@pytest.mark.parametrize("door", [typed, native])
@pytest.mark.parametrize(("name", "value", "code", "allowed"), OUT_OF_RANGE)
def test_a_value_beyond_the_limits(door: Any, name: str, value: Any, code: str, allowed: Any) -> None:
    error = refusal(door, **{name: value})
    field = name if door is typed else f"inputs.{name}"
    assert isinstance(error, BadRequest)
    assert (error.error_code, error.status) == (code, 400)
    assert error.fields == {"field": field, "allowed": allowed}


def test_a_typed_fields_error_names_it_as_the_caller_wrote_it() -> None:
    assert refusal(typed, duration="99s").fields["field"] == "duration"


@pytest.mark.parametrize("prompt", [None, "", " \n"])
def test_what_is_required(prompt: str | None) -> None:
    for door, field in ((typed, "prompt"), (native, "inputs.prompt")):
        error = refusal(door, prompt=prompt)
        assert isinstance(error, InvalidField)
        assert (error.error_code, error.fields) == ("invalid_request", {"field": field})


@pytest.mark.parametrize(
    ("generation_type", "urls", "code", "allowed"),
    [
        (None, [PNG, MP4], "too_many_images", {"minimum": 0, "maximum": 0}),
        ("text-to-video", PNG, "too_many_images", {"minimum": 0, "maximum": 0}),
        ("image-to-video", [], "source_media_required", {"minimum": 1, "maximum": 2}),
        ("image-to-video", [PNG] * 3, "too_many_images", {"minimum": 0, "maximum": 2}),
        ("image-to-video", [PNG, MP4], "too_many_videos", {"minimum": 0, "maximum": 0}),
        ("video-to-video", [MP3], "source_media_required", {"minimum": 1, "maximum": 2}),
        ("video-to-video", [MP4] * 3, "too_many_videos", {"minimum": 0, "maximum": 2}),
        ("video-to-video", [MP4, MP3, MP3], "too_many_audios", {"minimum": 0, "maximum": 1}),
    ],
)
def test_too_many_or_too_few_sources(generation_type: str | None, urls: Any, code: str, allowed: Any) -> None:
    error = refusal(typed, generation_type=generation_type, source_media_urls=urls)
    assert (error.error_code, error.status) == (code, 400)
    assert error.fields == {"field": "source_media_urls", "allowed": allowed}


def test_a_kind_that_the_model_does_not_take() -> None:
    error = refusal(from_typed, SNAPSHOT.model("nano-banana").limits, FOX | {"source_media_urls": [MP4]})
    assert (error.error_code, error.status) == ("too_many_videos", 400)
    assert error.fields == {"field": "source_media_urls", "allowed": {"minimum": 0, "maximum": 0}}


@pytest.mark.parametrize("urls", [[5], 5, True, False, "", [""], {"url": PNG}, [None], [PNG, [PNG]], [{}]])
def test_sources_that_are_no_urls(urls: Any) -> None:
    error = refusal(typed, generation_type="image-to-video", source_media_urls=urls)
    assert (type(error), error.fields) == (InvalidField, {"field": "source_media_urls"})


@pytest.mark.parametrize("asked", ["text-to-image", "", 5, ["text-to-video"], {}, True])
def test_a_generation_type_that_the_model_does_not_do(asked: Any) -> None:
    error = refusal(typed, generation_type=asked)
    assert (error.error_code, error.status) == ("invalid_request", 400)
    assert error.fields == {"field": "generation_type", "allowed": list(MADE.generation_types)}


def test_a_rule_across_fields() -> None:
    allowed = {"speed": [1]}
    assert typed(sound=True, speed=1).inputs["loop"] is True
    error = refusal(typed, sound=True, speed=2)
    assert (error.error_code, error.fields) == ("no_fast_loop", {"field": "speed", "allowed": allowed})
    error = refusal(native, loop=True)
    assert (error.error_code, error.fields) == ("no_fast_loop", {"field": "inputs.speed", "allowed": allowed})


@pytest.mark.parametrize(
    ("cast", "field"),
    [
        ([{"faces": [PNG, PNG]}], "cast[0].name"),
        ([{"name": " ", "clip": MP4}], "cast[0].name"),
        ([{"name": "fox"}], "cast[0]"),
        ([{"name": "fox", "faces": [PNG, PNG], "clip": MP4}], "cast[0]"),
        ([{"name": "fox", "clip": MP4, "mood": "sly"}], "cast[0]"),
        ([{"name": "fox", "clip": MP4}, {"name": "hen", "faces": [PNG]}], "cast[1].faces"),
        ([{"name": "fox", "clip": MP4}, {"name": "fox", "clip": MP4}], "cast"),
        ([{"name": str(n), "clip": MP4} for n in range(3)], "cast"),
    ],
)
def test_an_entry_that_is_not_whole(cast: Any, field: str) -> None:
    assert refusal(typed, cast=cast).fields["field"] == field


def test_a_text_may_call_only_entries_that_are_there() -> None:
    cast = [{"name": "fox", "clip": MP4}]
    assert typed(prompt="@fox runs", cast=cast).warnings == ()
    error = refusal(typed, prompt="@hen runs", cast=cast)
    assert (error.error_code, error.fields) == ("unknown_element", {"field": "prompt", "allowed": ["fox"]})
    assert "no 'cast'" in typed(prompt="@hen runs").warnings[0]
    assert typed(prompt="me@hen.eu").warnings == ()


def test_a_refusal_repeats_little_of_what_was_sent() -> None:
    long = "x" * 100_000
    for request in ({"style": long}, {"generation_type": long}):
        assert len(refusal(typed, **request).message) < 200
    assert len(typed(**{long: 1}).warnings[0]) < 200


def test_a_long_text_for_a_number_is_refused_at_once() -> None:
    started = time.process_time()
    refusal(typed, seconds="5" + " " * 900_000 + "x")
    refusal(native, seconds="9" * 900_000)
    assert time.process_time() - started < 1


# The seeds' own models.


def gpt_image(door: str, **request: Any) -> Normalized:
    model = SNAPSHOT.model("gpt-image-2")
    if door == "typed":
        return from_typed(model.limits, FOX | request)
    return from_native(model.limits, FOX | request, model.inputs_priced)


@pytest.mark.parametrize("door", ["typed", "native"])
@pytest.mark.parametrize("resolution", ["2K", "4K"])
def test_gpt_image_above_1k_needs_an_explicit_aspect_ratio(door: str, resolution: str) -> None:
    wanted = ["9:16", "16:9", "4:3", "3:4"]
    for aspect in wanted:
        assert gpt_image(door, resolution=resolution, aspect_ratio=aspect).inputs["resolution"] == resolution
    for request in ({}, {"aspect_ratio": "auto"}, {"aspect_ratio": "1:1"}, {"aspect_ratio": None}):
        error = refusal(gpt_image, door, resolution=resolution, **request)
        assert (error.error_code, error.status) == ("aspect_ratio_incompatible_with_high_res", 400)
        field = "aspect_ratio" if door == "typed" else "inputs.aspect_ratio"
        assert error.fields == {"field": field, "allowed": {"aspect_ratio": wanted}}


@pytest.mark.parametrize("door", ["typed", "native"])
def test_gpt_image_at_1k_takes_any_aspect_ratio(door: str) -> None:
    for aspect in ("auto", "1:1", "16:9", None):
        assert gpt_image(door, aspect_ratio=aspect).inputs["resolution"] == "1K"


def test_a_price_cannot_be_dodged_by_an_unknown_tier() -> None:
    error = refusal(gpt_image, "native", resolution="8K")
    assert error.fields == {"field": "inputs.resolution", "allowed": ["1K", "2K", "4K"]}


def test_kling_takes_a_start_frame_or_two() -> None:
    model = SNAPSHOT.model("kuaishou/kling-v3-i2v").limits
    found = from_typed(model, FOX | {"source_media_urls": [PNG, PNG], "duration": "8s", "sound": True})
    assert found.inputs == {
        "generation_type": "image-to-video",
        "prompt": "a fox", "duration": 8, "generate_audio": True, "image_url": PNG, "end_image_url": PNG,
        "aspect_ratio": "16:9",
    }  # fmt: skip
    assert refusal(from_typed, model, FOX).error_code == "source_media_required"
    assert refusal(from_native, model, FOX, ()).error_code == "source_media_required"


def test_speech_reads_the_prompt() -> None:
    model = SNAPSHOT.model("openai/tts-1").limits
    assert from_typed(model, {"prompt": "Hello"}).inputs["input"] == "Hello"
    assert refusal(from_typed, model, {"prompt": "x" * 4097}).error_code == "prompt_too_long"


def test_a_model_billed_by_what_is_used_takes_no_input_that_we_do_not_know() -> None:
    model = SNAPSHOT.model("openai/gpt-4o-mini")
    error = refusal(from_native, model.limits, FOX | {"messages": [{"role": "user"}]}, model.inputs_priced)
    assert (type(error), error.fields["field"]) == (InvalidField, "inputs.messages")


def test_what_the_prices_do_not_cover_is_refused_where_everything_else_passes() -> None:
    limits = replace(MADE, unpriced=("extra_clips",))
    assert from_native(limits, FOX | {"extra_mood": 1}, ()).inputs["extra_mood"] == 1
    error = refusal(from_native, limits, FOX | {"extra_clips": 3}, ())
    assert (type(error), error.fields["field"]) == (InvalidField, "inputs.extra_clips")


def test_what_could_not_be_delivered_is_refused_in_a_native_request_too() -> None:
    model = SNAPSHOT.model("openai/tts-1")
    error = refusal(from_native, model.limits, {"input": "hello", "response_format": "pcm"}, model.inputs_priced)
    assert error.fields["field"] == "inputs.response_format"
