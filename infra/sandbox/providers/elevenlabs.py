"""ElevenLabs' speech, music and sound effects, `https://api.elevenlabs.io` (fields from the `elevenlabs` package).

Error bodies are as its help pages show them; `bad_prompt` is general knowledge.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.calls import call_of
from infra.sandbox.faults import Moment
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.providers.fal_apps.base import Share, Text, one_of
from infra.sandbox.providers.fal_apps.words import ELEVENLABS_FORMATS
from infra.sandbox.render.audio import Encoded, MusicOrder, SoundFormat, SpeechOrder
from infra.sandbox.render.media import Order

DEFAULT_FORMAT = "mp3_44100_128"
EFFECT_SECONDS = 5.0
SONG_SECONDS = 30.0
_VOICE_ID = re.compile(r"[A-Za-z0-9]{20}")
_TROUBLES: dict[str, tuple[int, str, str]] = {
    "refuse": (401, "quota_exceeded", "This request exceeds your quota. You have 0 credits remaining."),
    "rate_limit": (429, "too_many_concurrent_requests", "Too many concurrent requests. Please wait."),
    "server_error": (500, "internal_server_error", "An unexpected error occurred."),
}


class SoundRequest(BaseModel):
    """What every call shares: the format, which stands in the query. Codec, rate in Hz and kilobits a second."""

    model_config = ConfigDict(extra="ignore")
    output_format: Annotated[str, one_of(f"auto mp3_24000_48 {ELEVENLABS_FORMATS}")] = DEFAULT_FORMAT

    @property
    def encoded(self) -> Encoded:
        """The format's three parts; bare samples have no bits."""
        chosen = DEFAULT_FORMAT if self.output_format == "auto" else self.output_format
        codec, rate_hz, *kilobits = chosen.split("_")
        bits_per_second = int(kilobits[0]) * 1000 if kilobits else None
        return Encoded(cast("SoundFormat", codec), int(rate_hz), bits_per_second)

    def order(self, voice_id: str) -> Order:
        """What to render."""
        raise NotImplementedError


class VoiceSettings(BaseModel):
    """How a voice speaks."""

    stability: Share | None = None
    similarity_boost: Share | None = None
    style: Share | None = None
    speed: Annotated[float, Field(ge=0.7, le=1.2)] | None = None
    use_speaker_boost: bool | None = None


class SpeechRequest(SoundRequest):
    """The body of `/v1/text-to-speech/{voice_id}`."""

    text: Text
    model_id: Annotated[str, Field(pattern=r"^eleven_")] = "eleven_multilingual_v2"
    voice_settings: VoiceSettings | None = None
    apply_text_normalization: Literal["auto", "on", "off"] = "auto"
    seed: Annotated[int, Field(ge=0, le=4_294_967_295)] | None = None

    def order(self, voice_id: str) -> Order:
        """The spoken text."""
        speed = (self.voice_settings and self.voice_settings.speed) or 1.0
        return SpeechOrder(self.text, voice_id, speed=speed, encoded=self.encoded)


class MusicRequest(SoundRequest):
    """The body of `/v1/music`: a prompt, or else a plan, whose sections are as long as they say."""

    prompt: Text | None = None
    composition_plan: dict[str, Any] | None = None
    music_length_ms: Annotated[int, Field(ge=3_000, le=600_000)] | None = None
    model_id: Literal["music_v1", "music_v2", "music_v2_5"] = "music_v1"
    force_instrumental: bool = False

    @model_validator(mode="after")
    def _prompt_or_plan(self) -> MusicRequest:
        if (self.prompt is None) == (self.composition_plan is None):
            raise ValueError("Provide either prompt or composition_plan.")
        return self

    def order(self, _voice_id: str) -> Order:
        """One song."""
        sections = (self.composition_plan or {}).get("sections", [])
        milliseconds = self.music_length_ms or sum(one["duration_ms"] for one in sections)
        seconds = milliseconds / 1000 or SONG_SECONDS
        return MusicOrder(self.prompt or str(self.composition_plan), seconds, encoded=self.encoded)


class EffectRequest(SoundRequest):
    """The body of `/v1/sound-generation`."""

    text: Text
    duration_seconds: Annotated[float, Field(ge=0.5, le=30)] | None = None
    prompt_influence: Share | None = None
    loop: bool = False
    model_id: Literal["eleven_text_to_sound_v2", "eleven_text_to_sound_v3"] = "eleven_text_to_sound_v2"

    def order(self, _voice_id: str) -> Order:
        """One sound."""
        return MusicOrder(self.text, self.duration_seconds or EFFECT_SECONDS, encoded=self.encoded)


class ElevenLabs(Provider):
    """Synchronous: the answer is the sound itself."""

    name = "elevenlabs"

    def routes(self) -> list[Route]:
        """ElevenLabs' paths; what is streamed comes in one piece."""
        return [
            Route("/v1/text-to-speech/{voice_id}", self.speak, methods=["POST"]),
            Route("/v1/text-to-speech/{voice_id}/stream", self.speak, methods=["POST"]),
            Route("/v1/music", self.compose, methods=["POST"]),
            Route("/v1/music/stream", self.compose, methods=["POST"]),
            Route("/v1/sound-generation", self.sound, methods=["POST"]),
            Route("/v1/user", self.user, methods=["GET"]),
        ]

    def trouble(self, fault: str) -> Response:
        """`{"detail": {"status", "message"}}`."""
        return _error(*_TROUBLES[fault])

    async def speak(self, request: Request) -> Response:
        """The spoken text."""
        return await self._answer(request, SpeechRequest)

    async def compose(self, request: Request) -> Response:
        """A song."""
        return await self._answer(request, MusicRequest)

    async def sound(self, request: Request) -> Response:
        """A sound effect."""
        return await self._answer(request, EffectRequest)

    async def user(self, request: Request) -> Response:
        """Whose key it is."""
        return _unauthorized(request) or JSONResponse(_USER)

    async def _answer(self, request: Request, form: type[SoundRequest]) -> Response:
        """The way of every call: authorize, refuse or accept, then make the sound, as the faults leave it."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        call, body = call_of(request), await json_object(request)
        call.prompt = prompt_in(body or {})
        text = f"{call.prompt}\n{call.path}"
        fault = self.submission_fault(text)
        if (refused := self.refusal(fault)) is not None:
            return refused
        try:
            wanted = form.model_validate({**(body or {}), **request.query_params})
        except ValidationError as error:
            return _invalid(error)
        voice_id = request.path_params.get("voice_id", "")
        if voice_id and not _VOICE_ID.fullmatch(voice_id):
            return _error(400, "voice_not_found", f"A voice for the voice_id {voice_id} was not found.")
        ending = self.sandbox.faults.take(Moment.ENDING, self.name, text)
        if ending is not None and ending.name == "filtered":
            return _error(400, "bad_prompt", "The prompt appears to violate our terms of service.")
        call.accept()
        await asyncio.sleep(self.sandbox.faults.take_delay(self.name, text))
        if ending is not None and ending.name == "never_finish":
            return self.no_answer(ending)
        if ending is not None and ending.name == "fail_after_accept":
            return self.trouble("server_error")
        media = await self.sandbox.studio.render(wanted.order(voice_id))
        content = b"" if ending else media.content
        answer = self.flawed(content, media.media_type, text, beginning=media.content)
        answer.headers["request-id"] = secrets.token_hex(10)
        return self.spoiled(fault, answer)


_USER = {
    "user_id": "sandbox",
    "workspace_id": "sandbox",
    "is_new_user": False,
    "can_use_delayed_payment_methods": False,
    "is_onboarding_completed": True,
    "is_onboarding_checklist_completed": True,
    "created_at": 1_753_999_200,
    "seat_type": "workspace_admin",
    "subscription": {"tier": "creator", "character_count": 0, "character_limit": 100_000, "status": "active"},
}


def _unauthorized(request: Request) -> Response | None:
    if request.headers.get("xi-api-key", "").strip():
        return None
    return _error(401, "invalid_api_key", "Invalid API key")


def _invalid(error: ValidationError) -> Response:
    """FastAPI's list of what is wrong with the body."""
    told = error.errors(include_url=False, include_context=False, include_input=False)
    detail = [{"loc": ["body", *one["loc"]], "msg": one["msg"], "type": one["type"]} for one in told]
    return JSONResponse({"detail": detail}, 422)


def _error(status: int, code: str, message: str) -> Response:
    headers = {"Retry-After": "1"} if status == 429 else {}
    return JSONResponse({"detail": {"status": code, "message": message}}, status, headers=headers)
