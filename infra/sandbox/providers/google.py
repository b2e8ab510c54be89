"""Google's Gemini API, `https://generativelanguage.googleapis.com/v1beta` (the `google-genai` package's types).

Pictures come as JPEG whatever one expects, speech as bare samples, and the files of videos want the key. Faults:

fail_after_accept    500 at once; a video is done with `error`
filtered             200 with a `blockReason` for sound, a `finishReason` for pictures and text, a `raiFilteredReason`
                     for Imagen; a video is done with `raiMediaFilteredCount` and neither samples nor an error
empty_output         200 with `finishReason: NO_IMAGE` or `OTHER`, a text of no words, no predictions, no samples
output faults        strike videos as they strike files; of what is answered at once `wrong_content_type` calls it
                     `text/html`, and `expired_output_url` does nothing
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.sandbox.answers import huge
from infra.sandbox.calls import call_of
from infra.sandbox.faults import Fault, Moment
from infra.sandbox.jobs import Cause, Job, State
from infra.sandbox.providers.base import Provider, json_object
from infra.sandbox.providers.google_models import (
    IMAGEN_MODEL,
    PCM_TYPE,
    PICTURE_MODELS,
    SONG_SECONDS,
    SPEECH_MODEL,
    TEXT_MODEL,
    VIDEO_MODEL,
    GenerateRequest,
    PredictRequest,
    VideoRequest,
)
from infra.sandbox.render.media import Media

VERSIONS = ("v1beta", "v1")
"""The package's releases differ in which they call."""
WITHHELD_VIDEO = (
    "Veo could not generate 1 videos based on the prompt provided. You will not be charged for this request. "
    "Try rephrasing the prompt. Support codes: 42237218"
)
WITHHELD_PICTURE = "Unable to show generated images. All images were filtered out. Support codes: 39322892"
EVENT_CHARACTERS = 40
_TROUBLES = {
    "refuse": (403, "PERMISSION_DENIED", "Your project has been denied access. Please contact support."),
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota. Please retry in 1s."),
    "server_error": (500, "INTERNAL", "An internal error has occurred. Please retry."),
}
_UNKNOWN_FIELD = "extra_forbidden"

Answerer = Callable[[Request, str, dict[str, Any], Fault | None], Awaitable[Response]]


class Google(Provider):
    """`generateContent` and Imagen's `predict` answer with what was made; Veo's `predictLongRunning` with a job."""

    name = "google"
    queue_calls_from = "/operations/"

    def routes(self) -> list[Route]:
        """Google's paths."""
        paths: dict[str, tuple[Callable[[Request], Awaitable[Response]], str]] = {
            "/models": (self.models, "GET"),
            "/models/{call}": (self.call, "POST"),
            "/models/{model}/operations/{operation}": (self.operation, "GET"),
            "/files/{call}": (self.file, "GET"),
        }
        return [
            Route(f"/{version}{path}", answer, methods=[method])
            for version in VERSIONS
            for path, (answer, method) in paths.items()
        ]

    def trouble(self, fault: str) -> Response:
        """`{"error": {...}}`."""
        status, state, message = _TROUBLES[fault]
        return _error(status, state, message, headers={"Retry-After": "1"} if status == 429 else None)

    async def models(self, request: Request) -> Response:
        """The models by name."""
        names = [*PICTURE_MODELS, *SONG_SECONDS, "veo-3.1-generate-001", "veo-3.1-fast-generate-001"]
        return _unauthorized(request) or JSONResponse({"models": [{"name": f"models/{name}"} for name in names]})

    async def call(self, request: Request) -> Response:
        """`{model}:{method}`: authorized, refused or accepted, then made, as the faults leave it."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        model, _, method = request.path_params["call"].partition(":")
        answers = self._answerer(model, method)
        if answers is None:
            message = f"models/{model} is not found for API version v1beta, or is not supported for {method}."
            return _error(404, "NOT_FOUND", message)
        body = await json_object(request) or {}
        call = call_of(request)
        call.prompt = _prompt(body)
        fault = self.submission_fault(f"{call.prompt}\n{call.path}")
        if (refused := self.refusal(fault)) is not None:
            return refused
        try:
            return await answers(request, model, body, fault)
        except ValidationError as error:
            return _invalid(error)

    async def operation(self, request: Request) -> Response:
        """A video as it stands."""
        if (denied := _unauthorized(request)) is not None:
            return denied
        job = self.sandbox.jobs.get(self.name, request.path_params["operation"])
        if job is None or job.app != request.path_params["model"]:
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        call_of(request).request_id = job.id
        return await self.queue_call(request, JSONResponse(self._shown(job)))

    async def file(self, request: Request) -> Response:
        """`{file}:download?alt=media`, for whoever has the key."""
        file_id, _, method = request.path_params["call"].partition(":")
        if (denied := _unauthorized(request)) is not None:
            return denied
        if method != "download" or request.query_params.get("alt") != "media":
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        return self.sandbox.files.answer(f"{file_id}.mp4")

    def _answerer(self, model: str, method: str) -> Answerer | None:
        """What answers a model's method; None where there is no such thing."""
        generates = model in PICTURE_MODELS or model in SONG_SECONDS or SPEECH_MODEL.fullmatch(model)
        writes = TEXT_MODEL.fullmatch(model)
        if method == "generateContent" and (generates or writes):
            return self._generate
        if method == "streamGenerateContent" and writes:
            return self._stream
        if method == "predict" and IMAGEN_MODEL.fullmatch(model):
            return self._predict
        return self._film if method == "predictLongRunning" and VIDEO_MODEL.fullmatch(model) else None

    async def _generate(self, request: Request, model: str, body: dict[str, Any], fault: Fault | None) -> Response:
        wanted = GenerateRequest.model_validate({**body, "model": model})

        async def made(text: str, ending: str | None) -> Response:
            return await self._generated(wanted, text, ending)

        return await self._at_once(request, fault, made)

    async def _stream(self, request: Request, model: str, body: dict[str, Any], fault: Fault | None) -> Response:
        """The same text in pieces, as server-sent events; the last of them tells the usage."""
        wanted = GenerateRequest.model_validate({**body, "model": model})

        async def made(_text: str, ending: str | None) -> Response:
            told = _written(wanted, ending)
            [candidate] = told["candidates"]
            text = "".join(part["text"] for part in candidate["content"].get("parts", []))
            pieces = [text[at : at + EVENT_CHARACTERS] for at in range(0, len(text), EVENT_CHARACTERS)]
            shared = {name: told[name] for name in ("modelVersion", "responseId")}
            events = [{**shared, "candidates": [{"content": _content({"text": one}), "index": 0}]} for one in pieces]
            lines = [
                f"data: {json.dumps(one)}\r\n\r\n" for one in [*events, {**told, "candidates": [_ended(candidate)]}]
            ]
            return Response("".join(lines), media_type="text/event-stream")

        return await self._at_once(request, fault, made)

    async def _predict(self, request: Request, _model: str, body: dict[str, Any], fault: Fault | None) -> Response:
        wanted = PredictRequest.model_validate(body)

        async def made(text: str, ending: str | None) -> Response:
            if ending == "filtered":
                withheld = {"raiFilteredReason": WITHHELD_PICTURE} if wanted.parameters.include_rai_reason else {}
                return JSONResponse({"predictions": [withheld]})
            if ending == "empty_output":
                return JSONResponse({})
            flaw = self._output_flaw(text)
            if flaw == "huge_output":
                return huge(b'{"predictions": [{"bytesBase64Encoded": "', "application/json", filling=b"A")
            pictures = [await self.sandbox.studio.render(order) for order in wanted.orders()]
            shown = [_encoded(picture, flaw) for picture in pictures]
            return JSONResponse(
                {"predictions": [{"mimeType": kind, "bytesBase64Encoded": data} for kind, data in shown]}
            )

        return await self._at_once(request, fault, made)

    async def _at_once(
        self, request: Request, fault: Fault | None, make: Callable[[str, str | None], Awaitable[Response]]
    ) -> Response:
        """The way of a call that answers with what it made."""
        call = call_of(request)
        text = f"{call.prompt}\n{call.path}"
        ending = self.sandbox.faults.take(Moment.ENDING, self.name, text)
        call.accept()
        await asyncio.sleep(self.sandbox.faults.take_delay(self.name, text))
        if ending is not None and ending.name == "never_finish":
            return self.no_answer(ending)
        if ending is not None and ending.name == "fail_after_accept":
            return self.trouble("server_error")
        return self.spoiled(fault, await make(text, ending.name if ending else None))

    async def _generated(self, wanted: GenerateRequest, text: str, ending: str | None) -> Response:
        order = wanted.order()
        flaw = self._output_flaw(text) if ending is None else None
        if flaw == "huge_output":
            return huge(b'{"candidates": [{"content": {"parts": [{"text": "', "application/json", filling=b"A")
        if order is None:
            return JSONResponse(_written(wanted, ending))
        if ending == "filtered" and wanted.kind != "picture":
            return JSONResponse(
                {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_identity(wanted, wanted.usage(None, ""))}
            )
        if ending is not None:
            reason = {"filtered": "IMAGE_SAFETY"}.get(ending, "NO_IMAGE" if wanted.kind == "picture" else "OTHER")
            return JSONResponse(_answer(wanted, {}, reason, wanted.usage(None, "")))
        media = await self.sandbox.studio.render(order)
        media_type, data = _encoded(media, flaw, PCM_TYPE if wanted.kind == "speech" else None)
        asked = wanted.generation_config.response_modalities
        words = "[Verse]\nLa la la." if wanted.kind == "music" else "Here is your picture."
        says = wanted.kind != "speech" and (not asked or "TEXT" in asked)
        parts: list[dict[str, Any]] = [{"text": words}] if says else []
        parts.append({"inlineData": {"mimeType": media_type, "data": data}})
        usage = wanted.usage(media, words if says else "")
        return JSONResponse(_answer(wanted, _content(*parts), "STOP", usage))

    async def _film(self, request: Request, model: str, body: dict[str, Any], fault: Fault | None) -> Response:
        wanted = VideoRequest.model_validate({**body, "model": model})

        async def work(job: Job) -> str | None:
            if job.wants_empty_output:
                return None
            media = await self.sandbox.studio.render(wanted.order())
            stored = self.sandbox.files.put(media, self.name, job.text)
            file_id = stored.name.removesuffix(".mp4")
            return f"{self.sandbox.base_url}/{self.name}/v1beta/files/{file_id}:download?alt=media"

        async def announce(_job: Job) -> None:
            return

        job = self.sandbox.jobs.start(
            provider=self.name,
            app=model,
            path=request.url.path,
            prompt=wanted.instances[0].prompt,
            webhook_url=None,
            work=work,
            announce=announce,
        )
        call_of(request).accept(request_id=job.id)
        return self.spoiled(fault, JSONResponse({"name": _operation(job)}))

    def _shown(self, job: Job) -> dict[str, Any]:
        """The operation. One that was withheld is done without a word of error."""
        shown: dict[str, Any] = {"name": _operation(job)}
        if job.state is not State.FINISHED:
            return shown
        failure = job.failure
        if failure is not None and failure.cause is not Cause.FILTERED:
            return {**shown, "done": True, "error": {"code": 13, "message": failure.message}}
        samples = [{"video": {"uri": job.output}}] if job.output else None
        made: dict[str, Any] = {"generatedSamples": samples} if samples else {}
        if failure is not None:
            made = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [WITHHELD_VIDEO]}
        kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
        return {**shown, "done": True, "response": {"@type": kind, "generateVideoResponse": made}}

    def _output_flaw(self, text: str) -> str | None:
        """The output or download fault that strikes: what is answered at once is both."""
        faults = self.sandbox.faults
        fault = faults.take(Moment.OUTPUT, self.name, text) or faults.take(Moment.DOWNLOAD, self.name, text)
        return fault.name if fault else None


def _prompt(body: dict[str, Any]) -> str:
    """The words that a call is about, whatever its form."""
    try:
        if "instances" in body:
            return str(body["instances"][0]["prompt"])
        parts = [part for content in body["contents"] for part in content["parts"]]
        return "\n".join(part["text"] for part in parts if "text" in part)
    except (KeyError, IndexError, TypeError):
        return ""


def _operation(job: Job) -> str:
    return f"models/{job.app}/operations/{job.id}"


def _content(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"parts": list(parts), "role": "model"}


def _ended(candidate: dict[str, Any]) -> dict[str, Any]:
    """A stream's last candidate: why it ended, after everything was said."""
    return {**candidate, "content": _content({"text": ""})}


def _written(wanted: GenerateRequest, ending: str | None) -> dict[str, Any]:
    """What a model of texts answers. Thinking uses up the limit before the words do."""
    text = "" if ending else wanted.text()
    most = wanted.generation_config.max_output_tokens
    is_cut = most is not None and len(text) >= max(most - wanted.thoughts, 0) * 4
    reason = "SAFETY" if ending == "filtered" else "MAX_TOKENS" if is_cut and not ending else "STOP"
    return _answer(wanted, _content({"text": text}) if text else {}, reason, wanted.usage(None, text))


def _answer(wanted: GenerateRequest, content: dict[str, Any], reason: str, usage: dict[str, Any]) -> dict[str, Any]:
    candidate = {"content": content, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], **_identity(wanted, usage)}


def _identity(wanted: GenerateRequest, usage: dict[str, Any]) -> dict[str, Any]:
    return {"usageMetadata": usage, "modelVersion": wanted.model, "responseId": uuid.uuid4().hex}


def _encoded(media: Media, flaw: str | None, media_type: str | None = None) -> tuple[str, str]:
    """The type that is told of a medium, and its bytes as base64, as the fault leaves both."""
    content = media.content[: len(media.content) // 2] if flaw == "truncated_output" else media.content
    told = "text/html" if flaw == "wrong_content_type" else media_type or media.media_type
    return told, base64.b64encode(content).decode()


def _unauthorized(request: Request) -> Response | None:
    if request.headers.get("x-goog-api-key", "").strip() or request.query_params.get("key"):
        return None
    message = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
    return _error(403, "PERMISSION_DENIED", message)


def _invalid(error: ValidationError) -> Response:
    """Google tells every unknown field, or else the first that is at fault."""
    found = error.errors(include_url=False, include_context=False)
    unknown = [str(one["loc"][-1]) for one in found if one["type"] == _UNKNOWN_FIELD]
    if unknown:
        lines = "\n".join(f'Unknown name "{name}": Cannot find field.' for name in unknown)
        return _error(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {lines}")
    where = ".".join(str(part) for part in found[0]["loc"])
    return _error(400, "INVALID_ARGUMENT", f"* {where}: {found[0]['msg']}")


def _error(status: int, state: str, message: str, *, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"code": status, "message": message, "status": state}}, status, headers=headers)
