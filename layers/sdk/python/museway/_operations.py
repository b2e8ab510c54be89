"""What each call of the client does, written once for the sync and the async client.

An operation is a generator: it yields `Step`s and is sent their answers. It does no I/O of its own, so the
two clients differ only in who performs the steps (`_transport`), as httpx does with its auth flows.
"""

import random
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import uuid4

from museway._files import LocalFile, sha256_of, with_files_replaced
from museway._wire import (
    CALL_TIMEOUT_SECONDS,
    FINAL_STATES,
    Accepted,
    Answer,
    Call,
    MediaRequest,
    Pause,
    Put,
    Save,
    Step,
    Write,
    download_refused,
    encode,
    error_of,
    export_differs,
    failure_of,
    is_retryable,
    malformed,
    outcomes_of,
    require,
    result_of,
    retry_after_seconds,
    upload_refused,
)
from museway.errors import ConnectionFailed, InvalidRequest, MusewayError, WaitTimeout

T = TypeVar("T")
Flow = Generator[Step, Any, T]
Progress = Callable[[dict[str, Any]], None]
Status = dict[str, Any]

RETRIES: Final = 4
RETRY_BASE_SECONDS: Final = 0.5
RETRY_AFTER_SECONDS_MAX: Final = 60.0
"""A server that asks for a longer pause than this gets the error raised instead."""
RUN_TIMEOUT_SECONDS: Final = 7_500.0
"""How long `run` waits: the gateway ends every generation within two hours."""
WAIT_WINDOW_SECONDS: Final = 25
"""The longest time for which `GET /v1/generations/{id}?wait=` holds its answer."""
PROGRESS_WINDOW_SECONDS: Final = 3
"""The same when somebody watches the progress."""
POLL_INTERVAL_SECONDS_MIN: Final = 1.0
"""Between two questions, should the server answer at once."""
PAGE_LIMIT: Final = 100
UPLOAD_FILES_MAX: Final = 20
"""How many upload targets the gateway gives at once."""
DAYS_LIMIT: Final = 31
"""The longest page of `GET /v1/exports`."""
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_SUFFIXES: Final = {"focus": "focus.csv"}
"""What a format's files end with, where that is not its name."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a call is retried, and the clock and the dice it uses (given by tests)."""

    retries: int = RETRIES
    now: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


class Operations:
    """The client's calls as flows, at a given pace."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def run(self, request: MediaRequest) -> Flow[dict[str, Any]]:
        """Submit, wait, and answer the result."""
        accepted = yield from self.submit(request)
        return (yield from self.result(accepted, RUN_TIMEOUT_SECONDS, None))

    def submit(self, request: MediaRequest) -> Flow[Accepted]:
        """Upload local files, then start the generation under one key of its own."""
        body = request.body((yield from self._uploaded(request.inputs)))
        answer = yield from self._exchange(Call("POST", "/v1/media/generate", body=body, idempotency_key=str(uuid4())))
        generation_id = require(answer.json(), "generation_id", str)
        return Accepted(generation_id, request.kind, answer.json(), answer.request_id)

    def batch(self, requests: Sequence[Mapping[str, Any]]) -> Flow[list[Accepted | MusewayError]]:
        """Upload local files, then start all typed requests under one key; what became of each, in their order."""
        body = encode((yield from self._uploaded({"requests": list(requests)})))
        call = Call("POST", "/v1/generate/media:batch", body=body, idempotency_key=str(uuid4()))
        return outcomes_of((yield from self._exchange(call)), len(requests))

    def cancel(self, accepted: Accepted) -> Flow[Status]:
        """Cancel the generation; answers its final state, the same again when it is cancelled already.

        Raises AlreadyFinished when it has ended otherwise or been delivered.
        """
        try:
            answer = yield from self._exchange(Call("POST", f"{_generation_path(accepted)}/cancel"))
        except MusewayError as error:
            error.generation_id = error.generation_id or accepted.generation_id
            raise
        return answer.json()

    def result(self, accepted: Accepted, timeout: float, on_progress: Progress | None) -> Flow[dict[str, Any]]:
        """Wait for the end and answer it as `run` does."""
        return result_of(accepted, (yield from self.wait(accepted, timeout, on_progress)))

    def status(self, accepted: Accepted) -> Flow[Status]:
        """The generation's present state."""
        answer = yield from self._exchange(Call("GET", _generation_path(accepted)))
        return answer.json()

    def wait(self, accepted: Accepted, timeout: float, on_progress: Progress | None) -> Flow[Status]:
        """Wait until the generation is completed.

        Raises GenerationFailed when it ends otherwise and WaitTimeout when `timeout` seconds pass; every
        error names the generation, which goes on whatever happens here.
        """
        try:
            return (yield from self._wait(accepted, self._pace.now() + timeout, timeout, on_progress))
        except MusewayError as error:
            error.generation_id = error.generation_id or accepted.generation_id
            raise

    def estimate(self, request: MediaRequest) -> Flow[dict[str, Any]]:
        """What `run` would cost and how long it would take; starts nothing."""
        body = encode({"model": request.model, "inputs": (yield from self._uploaded(request.inputs))})
        return (yield from self._exchange(Call("POST", "/v1/estimate", body=body))).json()

    def models(self, filters: Mapping[str, Any]) -> Flow[list[dict[str, Any]]]:
        """The catalog, or what of it fits the filters."""
        return (yield from self._items("/v1/models", filters, is_public=True))

    def model(self, model_id: str) -> Flow[dict[str, Any]]:
        """One model. Its id keeps its slashes."""
        return (yield from self._exchange(Call("GET", f"/v1/models/{quote(model_id)}", is_public=True))).json()

    def pricing(self, filters: Mapping[str, Any]) -> Flow[list[dict[str, Any]]]:
        """Every model with its rate table, or what of it fits the filters."""
        return (yield from self._items("/v1/pricing", filters, is_public=True))

    def health(self) -> Flow[dict[str, Any]]:
        """Whether the gateway answers, and its versions."""
        return (yield from self._exchange(Call("GET", "/health", is_public=True))).json()

    def balance(self) -> Flow[dict[str, Any]]:
        """The project's balance."""
        return (yield from self._exchange(Call("GET", "/v1/balance"))).json()

    def records(self, filters: Mapping[str, Any]) -> Flow[list[dict[str, Any]]]:
        """Every BillingRecord that fits the filters, from all pages."""
        return (yield from self._items("/v1/records", {"limit": PAGE_LIMIT, **filters}))

    def keys(self) -> Flow[list[dict[str, Any]]]:
        """Every API key of the project, from all pages."""
        return (yield from self._items("/v1/keys", {"limit": PAGE_LIMIT}))

    def key(self, key_id: str) -> Flow[dict[str, Any]]:
        """One API key."""
        return (yield from self._exchange(Call("GET", _key_path(key_id)))).json()

    def create_key(self, wanted: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Make an API key, once however often the request has to be sent."""
        body = encode({name: value for name, value in wanted.items() if value is not None})
        call = Call("POST", "/v1/keys", body=body, idempotency_key=str(uuid4()))
        return (yield from self._exchange(call)).json()

    def change_key(self, key_id: str, changes: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Change what is named of an API key."""
        return (yield from self._exchange(Call("PATCH", _key_path(key_id), body=encode(changes)))).json()

    def revoke_key(self, key_id: str) -> Flow[dict[str, Any]]:
        """Revoke an API key; again, it keeps the first time."""
        return (yield from self._exchange(Call("DELETE", _key_path(key_id)))).json()

    def providers(self) -> Flow[list[dict[str, Any]]]:
        """Every provider."""
        return (yield from self._items("/v1/providers", {}))

    def save_provider_key(self, provider: str, wanted: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Save a key of the project's own at a provider. Sent again, it saves the same."""
        return (yield from self._exchange(Call("PUT", _provider_key_path(provider), body=encode(wanted)))).json()

    def provider_key(self, provider: str) -> Flow[dict[str, Any]]:
        """What may be shown of the project's own key at a provider."""
        return (yield from self._exchange(Call("GET", _provider_key_path(provider)))).json()

    def delete_provider_key(self, provider: str) -> Flow[dict[str, Any]]:
        """Delete the project's own key at a provider."""
        return (yield from self._exchange(Call("DELETE", _provider_key_path(provider)))).json()

    def settings(self) -> Flow[dict[str, Any]]:
        """The project's settings."""
        return (yield from self._exchange(Call("GET", "/v1/settings"))).json()

    def change_settings(self, changes: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Change what is named of the project's settings."""
        return (yield from self._exchange(Call("PUT", "/v1/settings", body=encode(changes)))).json()

    def grouped(self, filters: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """What the BillingRecords that fit the filters come to, by group and in all."""
        return (yield from self._exchange(Call("GET", "/v1/records", query=_query(filters)))).json()

    def ledger(self, filters: Mapping[str, Any]) -> Flow[list[dict[str, Any]]]:
        """Every movement that fits the filters, from all pages."""
        return (yield from self._items("/v1/ledger", {"limit": PAGE_LIMIT, **filters}))

    def session_cost(self, session_id: str, filters: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """A session's calls from all pages, and its sum."""
        # Dots too: a path's `..` would be resolved on the way.
        path = f"/v1/sessions/{quote(session_id, safe='').replace('.', '%2E')}/cost"
        return (yield from self._pages(path, {"limit": PAGE_LIMIT, **filters}))

    def export_records(self, file_format: str, path: Path, filters: Mapping[str, Any]) -> Flow[Path]:
        """Save records in a format, whether they come inside the answer or lie at a URL."""
        target = _target(path, f"records.{_SUFFIXES.get(file_format, file_format)}")
        query = _query({"format": file_format, **filters})
        answer = yield from self._exchange(Call("GET", "/v1/records/export", query=query))
        if answer.headers.get("content-type", "").partition(";")[0] != "application/json":
            yield Write(target, answer.body)
            return target
        stored = answer.json()
        yield from self._saved(require(stored, "url", str), target, require(stored, "sha256", str))
        return target

    def exports(self, filters: Mapping[str, Any]) -> Flow[list[dict[str, Any]]]:
        """Every day of the archive that fits the filters, from all pages."""
        return (yield from self._items("/v1/exports", {"limit": DAYS_LIMIT, **filters}))

    def save_exports(self, folder: Path, filters: Mapping[str, Any]) -> Flow[list[Path]]:
        """Bring days of the archive to this machine, oldest first; answers what is new here.

        Raises InvalidRequest for a file that is here with other bytes: an archive does not change.
        """
        new: list[Path] = []
        for day in reversed((yield from self.exports(filters))):
            named = require(day, "day", str)
            if not _DAY.fullmatch(named):
                raise malformed("day")
            for file in require(day, "files", list):
                name, sha256 = require(file, "name", str), require(file, "sha256", str)
                target = folder.joinpath(*named.split("-"), PurePosixPath(name).name)
                here = sha256_of(target)
                if here is None:
                    yield from self._saved(require(file, "url", str), target, sha256)
                    new.append(target)
                elif here != sha256:
                    raise export_differs(target)
        return new

    def upload(self, files: Sequence[LocalFile]) -> Flow[list[dict[str, str]]]:
        """Put files into the drive; answers `{"url", "drive_path"}` of each, in order."""
        stored: list[dict[str, str]] = []
        for start in range(0, len(files), UPLOAD_FILES_MAX):
            stored += yield from self._upload(files[start : start + UPLOAD_FILES_MAX])
        return stored

    def _upload(self, files: Sequence[LocalFile]) -> Flow[list[dict[str, str]]]:
        wanted = [
            {"filename": file.filename, "content_type": file.content_type, "bytes": file.size_bytes} for file in files
        ]
        answer = yield from self._exchange(
            Call("POST", "/v1/upload/media", body=encode({"files": wanted}), idempotency_key=str(uuid4()))
        )
        targets = require(answer.json(), "files", list)
        if len(targets) != len(files):
            raise malformed("files")
        stored = [{name: require(target, name, str) for name in ("url", "drive_path")} for target in targets]
        for file, target in zip(files, targets, strict=True):
            put = Put(require(target, "upload_url", str), file, target.get("headers") or {})
            taken = yield from self._retried(put)
            if not taken.is_success:
                raise upload_refused(taken, file)
        return stored

    def download(self, result: Mapping[str, Any], path: Path) -> Flow[Path]:
        """Save a result's file; a signed URL that has expired is renewed once."""
        url, drive_path = result.get("output_url") or result.get("url"), result.get("drive_path")
        target = _target(path, drive_path)
        if not url and not drive_path:
            raise InvalidRequest(
                "There is no file in this result.",
                code="no_output",
                hint="Pass what run() answered, or one of its outputs.",
                fields={"field": "result"},
            )
        url = url or (yield from self._signed(str(drive_path)))
        answer = yield from self._retried(Save(url, target))
        if answer.status == 403 and drive_path:
            answer = yield from self._retried(Save((yield from self._signed(drive_path)), target))
        if not answer.is_success:
            raise download_refused(answer)
        return target

    def _saved(self, url: str, path: Path, sha256: str) -> Flow[None]:
        answer = yield from self._retried(Save(url, path, sha256))
        if not answer.is_success:
            raise download_refused(answer)

    def _wait(self, accepted: Accepted, deadline: float, timeout: float, on_progress: Progress | None) -> Flow[Status]:
        window = PROGRESS_WINDOW_SECONDS if on_progress else WAIT_WINDOW_SECONDS
        while True:
            asked_at = self._pace.now()
            wait_seconds = max(0, min(window, int(deadline - asked_at)))
            call = Call(
                "GET",
                _generation_path(accepted),
                query={"wait": str(wait_seconds)},
                timeout_seconds=CALL_TIMEOUT_SECONDS + wait_seconds,
            )
            answer = yield from self._exchange(call)
            status = answer.json()
            if on_progress:
                on_progress(status)
            if status.get("status") in FINAL_STATES:
                if status["status"] != "completed":
                    raise failure_of(status, answer.request_id)
                return status
            answered_at = self._pace.now()
            if answered_at >= deadline:
                raise _wait_timeout(timeout, status, answer.request_id)
            rest_seconds = POLL_INTERVAL_SECONDS_MIN - (answered_at - asked_at)
            if rest_seconds > 0:
                yield Pause(min(rest_seconds, deadline - answered_at))

    def _uploaded(self, inputs: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        # A file named twice is sent once; the first pass only collects, the second puts the URLs in.
        files: dict[Path | bytes, LocalFile] = {}
        unchanged = with_files_replaced(inputs, lambda file: files.setdefault(file.source, file).filename)
        if not files:
            return unchanged
        stored = yield from self.upload(list(files.values()))
        urls = {source: target["url"] for source, target in zip(files, stored, strict=True)}
        return with_files_replaced(inputs, lambda file: urls[file.source])

    def _signed(self, drive_path: str) -> Flow[str]:
        body = encode({"drive_path": drive_path})
        answer = yield from self._exchange(Call("POST", "/v1/drive/sign", body=body))
        return require(answer.json(), "url", str)

    def _items(self, path: str, filters: Mapping[str, Any], *, is_public: bool = False) -> Flow[list[dict[str, Any]]]:
        items: list[dict[str, Any]] = (yield from self._pages(path, filters, is_public=is_public))["items"]
        return items

    def _pages(self, path: str, filters: Mapping[str, Any], *, is_public: bool = False) -> Flow[dict[str, Any]]:
        """The last page of a list, with the items of all."""
        query = _query(filters)
        items: list[dict[str, Any]] = []
        seen: set[str] = set()
        while True:
            answer = yield from self._exchange(Call("GET", path, query=query, is_public=is_public))
            page = answer.json()
            items += require(page, "items", list)
            cursor = page.get("next_cursor")
            if not cursor:
                return page | {"items": items}
            # A cursor that comes back would turn the pages for ever.
            if not isinstance(cursor, str) or cursor in seen:
                raise malformed("next_cursor")
            seen.add(cursor)
            query = {**query, "cursor": cursor}

    def _exchange(self, call: Call) -> Flow[Answer]:
        answer = yield from self._retried(call)
        if not answer.is_success:
            raise error_of(answer)
        return answer

    def _retried(self, step: Call | Put | Save) -> Flow[Answer]:
        """Perform a step; again, unchanged, after a lost connection or where the contract says so."""
        for retry in range(self._pace.retries + 1):
            is_last = retry == self._pace.retries
            pause_seconds = RETRY_BASE_SECONDS * 2**retry
            try:
                answer: Answer = yield step
            except ConnectionFailed as error:
                if is_last or error.code != "connection_failed":
                    raise
            else:
                asked_seconds = retry_after_seconds(answer)
                if is_last or not is_retryable(answer) or (asked_seconds or 0) > RETRY_AFTER_SECONDS_MAX:
                    return answer
                pause_seconds = max(pause_seconds, asked_seconds) if asked_seconds else pause_seconds
            # Never shorter than the server asked; up to half as long again, so that clients spread out.
            yield Pause(pause_seconds * (1 + self._pace.jitter() / 2))
        raise AssertionError("the last attempt returns or raises")


def _generation_path(accepted: Accepted) -> str:
    return f"/v1/generations/{quote(accepted.generation_id, safe='')}"


def _provider_key_path(provider: str) -> str:
    return f"/v1/providers/{quote(provider, safe='')}/key"


def _key_path(key_id: str) -> str:
    return f"/v1/keys/{quote(key_id, safe='')}"


def _query(filters: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in filters.items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _target(path: Path, drive_path: str | None) -> Path:
    """The file to write: `path`, or in it when it is a directory, under the name that the drive has."""
    return path / PurePosixPath(drive_path or "output").name if path.is_dir() else path


def _wait_timeout(timeout: float, status: Status, request_id: str | None) -> WaitTimeout:
    return WaitTimeout(
        f"The generation is {status.get('status', 'unfinished')} after {timeout:g} seconds.",
        code="wait_timeout",
        hint="It goes on: wait again, or read its status by its id.",
        request_id=request_id,
        fields={"generation": status},
    )
