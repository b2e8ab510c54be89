"""fal's model apps: what each takes, and what it makes.

The inputs are pydantic models because fal's apps are: their validation errors come out in fal's own form. Names,
enums, defaults and outputs are those of fal's JavaScript client (libs/client/src/types/endpoints.ts, August 2026),
which gives no ranges; those are from fal's model pages.
"""

from __future__ import annotations

from infra.sandbox.providers.fal_apps import audio, images, images_sized, kling, seedance, videos
from infra.sandbox.providers.fal_apps.base import App

APPS: dict[str, type[App]] = {
    **images.APPS,
    **images_sized.APPS,
    **kling.APPS,
    **seedance.APPS,
    **videos.APPS,
    **audio.APPS,
}

__all__ = ["APPS", "App"]
