"""A provider's request body, from a model's inputs."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.templates import Case, Entries, RequestTemplate, render
from tests.unit.gateway.shipped import SNAPSHOT


def body_of(model_id: str, **inputs: object) -> dict[str, object]:
    return render(SNAPSHOT.model(model_id).offers[0].request, inputs)


def test_an_empty_template_passes_everything_but_absent_inputs() -> None:
    inputs = {"prompt": "a fox", "n": 0, "loop": False, "extra": {"deep": [1]}, "none": None}
    assert render(RequestTemplate(), inputs) == {"prompt": "a fox", "n": 0, "loop": False, "extra": {"deep": [1]}}


def test_rename_text_drop() -> None:
    template = RequestTemplate(rename={"input": "text"}, text={"duration": "{}s"}, drop=("tier",))
    assert render(template, {"input": "hi", "duration": 5, "tier": "x"}) == {"text": "hi", "duration": "5s"}


def test_a_dotted_name_is_a_place_in_an_object() -> None:
    template = RequestTemplate(rename={"voice": "voice_setting.voice_id", "speed": "voice_setting.speed"})
    assert render(template, {"voice": "Ada", "speed": 2}) == {"voice_setting": {"voice_id": "Ada", "speed": 2}}
    given = {"voice_setting": {"pitch": 1}, "speed": 2}
    assert render(template, given) == {"voice_setting": {"pitch": 1, "speed": 2}}
    assert given == {"voice_setting": {"pitch": 1}, "speed": 2}
    assert render(template, {"voice_setting": "Ada", "speed": 2}) == {"voice_setting": {"speed": 2}}


def test_words_of_the_provider_and_a_type_that_is_ours() -> None:
    template = RequestTemplate(words={"ratio": {"adaptive": "auto"}})
    assert render(template, {"ratio": "adaptive", "generation_type": "text-to-video"}) == {"ratio": "auto"}
    assert render(template, {"ratio": "1:1"}) == {"ratio": "1:1"}


def test_a_list_becomes_fields_of_their_own() -> None:
    template = RequestTemplate(
        spread={"urls": ("first", "rest*")},
        cases=(Case({"mode": "ends"}, spread={"urls": ("start", "end")}),),
        drop=("mode",),
    )
    assert render(template, {"urls": ["a", "b", "c"]}) == {"first": "a", "rest": ["b", "c"]}
    assert render(template, {"urls": ["a", "b"], "mode": "ends"}) == {"start": "a", "end": "b"}
    assert render(template, {"urls": ["a"], "mode": "ends"}) == {"start": "a"}


def test_entries_are_called_by_number_where_names_are_not_known() -> None:
    entry = RequestTemplate(spread={"faces": ("front", "others*")}, drop=("name",))
    template = RequestTemplate(entries={"cast": Entries("elements", entry, "prompt", "name", "@Element{}")})
    cast = [{"name": "fox", "faces": ["a", "b"]}, {"name": "foxy", "faces": ["c", "d"]}]
    assert render(template, {"prompt": "@foxy and @fox, me@fox.eu, @hen", "cast": cast}) == {
        "prompt": "@Element2 and @Element1, me@fox.eu, @hen",
        "elements": [{"front": "a", "others": ["b"]}, {"front": "c", "others": ["d"]}],
    }


def test_cases_are_sent_when_they_hold_and_later_ones_win() -> None:
    template = RequestTemplate(cases=(Case({"a": 1}, {"size": 1, "b": 1}), Case({"a": [1, 2]}, {"size": 2})))
    assert render(template, {"a": 1}) == {"a": 1, "size": 2, "b": 1}
    assert render(template, {"a": 3}) == {"a": 3}


def test_a_case_may_read_an_input_that_is_dropped() -> None:
    template = RequestTemplate(drop=("a",), cases=(Case({"a": 1}, {"size": 1}),))
    assert render(template, {"a": 1}) == {"size": 1}


def test_constants_win_over_everything() -> None:
    template = RequestTemplate(constants={"quality": "high"}, cases=(Case({}, {"quality": "low"}),))
    assert render(template, {"quality": "free of charge"}) == {"quality": "high"}


@given(
    st.dictionaries(st.text("abc", max_size=5), st.none() | st.integers() | st.lists(st.text(), max_size=2), max_size=5)
)
def test_rendering_changes_none_of_what_it_is_given(inputs: dict[str, object]) -> None:
    before = {name: list(value) if isinstance(value, list) else value for name, value in inputs.items()}
    assert render(RequestTemplate(), inputs) == {name: value for name, value in before.items() if value is not None}
    assert inputs == before


def test_kling_gets_its_duration_as_text() -> None:
    assert body_of("kuaishou/kling-v3-t2v", prompt="a fox", duration=8, generate_audio=False) == {
        "prompt": "a fox",
        "duration": "8",
        "generate_audio": False,
    }


def test_gpt_image_tiers_become_sizes() -> None:
    body = body_of("gpt-image-2", prompt="a fox", aspect_ratio="16:9", resolution="4K")
    assert body == {"prompt": "a fox", "quality": "medium", "image_size": {"width": 3840, "height": 2160}}


def test_every_explicit_gpt_image_size_is_known_and_possible() -> None:
    model = SNAPSHOT.model("gpt-image-2")
    tiers = {"1K": 1.3e6, "2K": 4e6, "4K": 8.4e6}
    for resolution, most_pixels in tiers.items():
        for aspect in ("9:16", "16:9", "4:3", "3:4"):
            size = body_of("gpt-image-2", aspect_ratio=aspect, resolution=resolution)["image_size"]
            assert isinstance(size, dict)
            wide, high = (int(part) for part in aspect.split(":"))
            assert size["width"] * high == size["height"] * wide
            assert size["width"] % 16 == size["height"] % 16 == 0
            assert size["width"] * size["height"] <= most_pixels
    automatic = render(model.offers[0].request, {"aspect_ratio": "auto", "resolution": "1K"})
    assert automatic["image_size"] == "auto"
