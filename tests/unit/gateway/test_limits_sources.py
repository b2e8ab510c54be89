"""What is only known once media were looked at: each refusal names the field and which of its URLs."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import SourceRefused
from gateway.limits import Input, Limits, Media
from gateway.limits.requests import Source
from gateway.limits.sources import checked

LIMITS = Limits(
    inputs={
        "clips": Input(
            "clips", "media_list", max_items=3,
            media=Media("video", ("video/mp4",), 1000, seconds_max=Decimal(15), total_seconds_max=Decimal(20)),
        ),
        "face": Input("face", "media", media=Media("image", ("image/png",), 1000, side_min_px=300)),
    },
    generation_types=("text-to-video",),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    kind: str = "video"
    media_type: str = "video/mp4"
    bytes: int = 1000
    width: int | None = 640
    height: int | None = 360
    duration_seconds: Decimal | None = Decimal("4.5")


def look(*found: Found, into: str = "clips") -> Any:
    return checked(LIMITS, [(Source("source_media_urls", f"https://x/{n}", into), one) for n, one in enumerate(found)])


def test_what_fits_is_measured_in_order() -> None:
    unknown = Found(duration_seconds=None)
    assert look(Found(), unknown) == {"clips": (Decimal("4.5"), None)}
    assert look(Found(duration_seconds=Decimal(15)), Found(duration_seconds=Decimal(5)))


@pytest.mark.parametrize(
    ("found", "into", "code"),
    [
        (Found(kind="image", media_type="image/png"), "clips", "source_not_media"),
        (Found(media_type="video/webm"), "clips", "source_not_media"),
        (Found(bytes=1001), "clips", "source_too_large"),
        (Found(duration_seconds=Decimal("15.001")), "clips", "source_too_long"),
        (Found("image", "image/png", 1, 299, 800, None), "face", "source_too_small"),
    ],
)
def test_a_file_beyond_the_limits(found: Found, into: str, code: str) -> None:
    good = Found() if into == "clips" else Found("image", "image/png", 1, 300, 300, None)
    with pytest.raises(SourceRefused) as caught:
        look(good, found, into=into)
    assert (caught.value.error_code, caught.value.fields["field"]) == (code, "source_media_urls")
    assert caught.value.fields["url_index"] == 1
    assert "https://x" not in repr(caught.value.body())


def test_files_that_are_too_long_together() -> None:
    with pytest.raises(SourceRefused) as caught:
        look(*[Found(duration_seconds=Decimal("6.7"))] * 3)
    assert (caught.value.error_code, caught.value.fields["max_seconds"]) == ("source_too_long", "20")
    assert "20.1 s together" in caught.value.message
