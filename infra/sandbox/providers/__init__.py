"""The providers whose protocols the sandbox speaks: one file each, one line here."""

from __future__ import annotations

from infra.sandbox.providers.base import Provider
from infra.sandbox.providers.bedrock import Bedrock
from infra.sandbox.providers.elevenlabs import ElevenLabs
from infra.sandbox.providers.fal import Fal
from infra.sandbox.providers.openai import OpenAI
from infra.sandbox.providers.replicate import Replicate

PROVIDERS: dict[str, type[Provider]] = {
    provider.name: provider
    for provider in (
        Bedrock,
        ElevenLabs,
        Fal,
        OpenAI,
        Replicate,
    )
}
