"""The contract as plain data: the steps a call consists of, the requests it sends, the answers it reads.

Nothing here does I/O. `_operations` yields the steps, `_transport` performs them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from museway._files import LocalFile
from museway.errors import (
    AlreadyCreated,
    AlreadyFinished,
    AuthenticationError,
    GenerationFailed,
    InsufficientCredits,
    InvalidRequest,
    ModelRetired,
    MusewayError,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServerError,
    SpendingLimitReached,
    UnknownModel,
)

T = TypeVar("T")

MICROS_PER_USD: Final = 1_000_000
CHOICE: Final = (
    *("mode", "capabilities", "prefer", "quality_min", "max_price_micros"),
    *("providers", "exclude_providers", "models", "exclude_models", "allow_platform_key"),
)
"""What a call may say of who is to serve it, beside the model's inputs."""
FINAL_STATES: Final = frozenset({"completed", "failed", "cancelled"})
CALL_TIMEOUT_SECONDS: Final = 30.0
"""The HTTP API itself gives up after 30 s, so a longer wait for an answer is in vain."""


@dataclass(frozen=True, slots=True)
class Call:
    """One JSON request to the gateway; answered by an `Answer`. Public routes need no key."""

    method: str
    path: str
    body: bytes | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    is_public: bool = False
    timeout_seconds: float = CALL_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class Put:
    """One file to a presigned URL, without credentials; answered by an `Answer`."""

    url: str
    file: LocalFile
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Save:
    """One signed URL to a file, which appears whole or not at all; answered by an `Answer` without a body.

    With `sha256` (hex) only content of that digest appears; anything else raises ServerError.
    """

    url: str
    path: Path
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that came inside an answer to a file, which appears whole or not at all."""

    path: Path
    content: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass."""

    seconds: float


Step = Call | Put | Save | Write | Pause


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, its header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str | None:
        """The id that finds this answer in the server's logs."""
        return self.headers.get("x-request-id")

    def json(self) -> dict[str, Any]:
        """The body, which the contract says is a JSON object. Raises ServerError when it is not."""
        try:
            content = json.loads(self.body)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise malformed("JSON object")
        return content


@dataclass(frozen=True, slots=True)
class MediaRequest:
    """What `run`, `submit`, `estimate` and `route` are asked for: a model or what it must be like, merged inputs, and
    where the output goes."""

    model: str | None
    inputs: Mapping[str, Any]
    kind: str = "auto"
    output_path: str | None = None
    output_url_path: str | None = None
    choice: Mapping[str, Any] = field(default_factory=dict)
    """What of `CHOICE` was given."""

    @classmethod
    def of(
        cls, model: str | None, inputs: Mapping[str, Any] | None, named: Mapping[str, Any], **more: Any
    ) -> "MediaRequest":
        """The request of a call's arguments; those that choose a model are told from its inputs by their names."""
        merged = {**(inputs or {}), **{name: value for name, value in named.items() if name not in CHOICE}}
        return cls(model, merged, choice={name: named[name] for name in CHOICE if named.get(name) is not None}, **more)

    def body(self, inputs: Mapping[str, Any]) -> bytes:
        """The body of `POST /v1/media/generate`, with `inputs` in the place of the request's own."""
        optional = {"output_path": self.output_path, "output_url_path": self.output_url_path}
        given = {name: value for name, value in optional.items() if value is not None}
        return encode({**self.called, "inputs": inputs, "kind": self.kind, **given})

    @property
    def called(self) -> dict[str, Any]:
        """The model, and what chooses one."""
        return {**({} if self.model is None else {"model": self.model}), **self.choice}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A submitted generation: its id, the kind asked for, the answer and the answer's request id."""

    generation_id: str
    kind: str = "auto"
    answer: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None


def malformed(name: str) -> ServerError:
    """The error for an answer that does not keep the contract."""
    return ServerError(
        f"The answer has no usable {name}.",
        code="malformed_answer",
        hint="Check that MUSEWAY_URL is the gateway's own URL, and of a version that fits this client.",
    )


def require(content: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A field that the contract promises. Raises ServerError when it is missing or of another type."""
    value = content.get(name)
    if not isinstance(value, kind):
        raise malformed(name)
    return value


def encode(content: Mapping[str, Any]) -> bytes:
    """A JSON body. Raises InvalidRequest for values that JSON cannot say (NaN, dates, objects, ...)."""
    try:
        return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"The inputs cannot be written as JSON: {error}.",
            code="not_json",
            hint="Use strings, numbers, booleans, lists, dicts and pathlib.Path only.",
            fields={"field": "inputs"},
        ) from None


def billed(micros: int) -> dict[str, int | float]:
    """The two money fields of a result. The float is for people to read; sums are made in micros."""
    return {"billed_micros": micros, "billed_usd": micros / MICROS_PER_USD}


def result_of(accepted: Accepted, status: Mapping[str, Any]) -> dict[str, Any]:
    """The dictionary that `run` answers (seed 001), from the final status of a completed generation.

    `meta` also carries the `generation_id` and all `outputs`, of which the top level names the first.
    """
    outputs = status.get("outputs") or []
    first = outputs[0] if outputs else {}
    return {
        "model": require(status, "model", str),
        "kind": require(status, "kind", str) if accepted.kind == "auto" else accepted.kind,
        "drive_path": first.get("drive_path"),
        "output_url": first.get("url"),
        "request_id": accepted.request_id or status.get("request_id"),
        **billed(require(status, "billed_micros", int)),
        "meta": {**(status.get("meta") or {}), "generation_id": accepted.generation_id, "outputs": outputs},
    }


def failure_of(status: Mapping[str, Any], request_id: str | None) -> GenerationFailed:
    """The error for a final status that is not `completed`."""
    reason = status.get("error") or {}
    state = str(status["status"])
    return GenerationFailed(
        reason.get("message") or f"The generation was {state}.",
        code=reason.get("code") or state,
        hint=reason.get("hint") or "Nothing was charged. See what the code says before trying again.",
        request_id=request_id,
        generation_id=status.get("generation_id"),
        fields={"generation": dict(status)},
    )


_BY_CODE: Final[Mapping[str, type[MusewayError]]] = {
    "already_finished": AlreadyFinished,
    "spending_limit_reached": SpendingLimitReached,
    "unknown_model": UnknownModel,
    "model_retired": ModelRetired,
    "already_created": AlreadyCreated,
}
_BY_STATUS: Final[Mapping[int, type[MusewayError]]] = {
    400: InvalidRequest,
    401: AuthenticationError,
    402: InsufficientCredits,
    403: AuthenticationError,
    404: NotFound,
    413: PayloadTooLarge,
    422: InvalidRequest,
    429: RateLimited,
}
_OWN_FIELDS: Final = frozenset({"error", "message", "hint", "request_id"})


def error_of(answer: Answer) -> MusewayError:
    """The typed error of an answer that is no success, also when something before the gateway answered it."""
    try:
        body = answer.json()
    except ServerError:
        body = {}
    error = refusal_of(answer.status, body, answer.request_id)
    if (seconds := retry_after_seconds(answer)) is not None:
        error.fields["retry_after_seconds"] = seconds
    return error


def refusal_of(status: int, body: Mapping[str, Any], request_id: str | None) -> MusewayError:
    """The typed error of the contract's error object, alone or as one of a batch."""
    code = body.get("error") if isinstance(body.get("error"), str) else None
    cls = _BY_CODE.get(code or "") or _BY_STATUS.get(status)
    if cls is None:
        cls = ServerError if status >= 500 else MusewayError
    return cls(
        str(body.get("message") or f"The server answered {status} without saying why."),
        code=code or f"http_{status}",
        hint=str(body.get("hint") or ""),
        status=status,
        request_id=str(body.get("request_id") or request_id or "") or None,
        fields={name: value for name, value in body.items() if name not in _OWN_FIELDS},
    )


def outcomes_of(answer: Answer, count: int) -> list[Accepted | MusewayError]:
    """What became of each request of a batch, in their order. Raises ServerError for an answer about other ones."""
    items = require(answer.json(), "items", list)
    if len(items) != count:
        raise malformed("items")
    return [_outcome_of(item, answer.request_id) for item in items]


def _outcome_of(item: Any, request_id: str | None) -> Accepted | MusewayError:
    if not isinstance(item, dict):
        raise malformed("items")
    if isinstance(item.get("error"), dict):
        return refusal_of(require(item, "status", int), item["error"], request_id)
    generation = require(item, "generation", dict)
    return Accepted(require(generation, "generation_id", str), "auto", generation, request_id)


def upload_refused(answer: Answer, file: LocalFile) -> MusewayError:
    """The error for a file that the file store did not take."""
    return ServerError(
        f"The file store refused {file.filename!r} with status {answer.status}.",
        code="upload_failed",
        hint="Try again; the upload address may have expired.",
        status=answer.status,
    )


def download_refused(answer: Answer) -> MusewayError:
    """The error for a file that the file store did not give."""
    return (NotFound if answer.status == 404 else ServerError)(
        f"The file could not be downloaded: status {answer.status}.",
        code="download_failed",
        hint="The signed URL may have expired; read the generation again for a fresh one.",
        status=answer.status,
    )


def damaged(path: Path) -> ServerError:
    """The error for a file that came with other bytes than were announced."""
    return ServerError(
        f"What came for {path.name!r} is not what the gateway announced; nothing was written.",
        code="download_damaged",
        hint="Try again; if it happens again, report it.",
    )


def export_differs(path: Path) -> InvalidRequest:
    """The error for a day's file that is on this machine with other bytes than in the archive."""
    return InvalidRequest(
        f"{path} is not what the archive has.",
        code="export_differs",
        hint="Archived days never change: keep the file, and find out which of the two was changed.",
    )


def is_retryable(answer: Answer) -> bool:
    """Whether the contract says that the same request, under the same key, may be sent again."""
    if answer.status in {429, 503}:
        return True
    return answer.status == 409 and error_of(answer).code == "idempotency_in_progress"


def retry_after_seconds(answer: Answer) -> float | None:
    """The `Retry-After` header in seconds from now (it may be a number or a date); None without one."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
