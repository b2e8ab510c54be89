"""What tests of and with the sandbox share: its controls as a client, a receiver of webhooks, probes of media."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import av
import httpx


def until(condition: Callable[[], bool], what: str, timeout_seconds: float = 15.0) -> None:
    """Waits for a condition; fails with `what` when it does not come true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"in {timeout_seconds} s: {what}"
        time.sleep(0.01)


class SandboxControl:
    """A running sandbox's `/_control`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/_control", timeout=30)

    def arm(self, fault: str, provider: str = "*", **more: Any) -> None:
        """Arms a fault; `times`, `match` and `seconds` as in the sandbox's table."""
        self._http.post("/faults", json={"provider": provider, "fault": fault, **more}).raise_for_status()

    def armed(self) -> list[dict[str, Any]]:
        """The faults that are still armed."""
        faults: list[dict[str, Any]] = self._http.get("/faults").json()["faults"]
        return faults

    def calls(self, **wanted: Any) -> list[dict[str, Any]]:
        """The recorded calls, those only whose fields have the values wanted."""
        calls = self._http.get("/calls").json()["calls"]
        return [call for call in calls if all(call.get(name) == value for name, value in wanted.items())]

    def paid(self, **wanted: Any) -> int:
        """How many submissions the providers accepted and started."""
        return len(self.calls(paid=True, **wanted))

    def jobs(self) -> list[dict[str, Any]]:
        """Every queue job."""
        jobs: list[dict[str, Any]] = self._http.get("/jobs").json()["jobs"]
        return jobs

    def job(self, prompt: str) -> dict[str, Any]:
        """The one queue job of a prompt."""
        [job] = [job for job in self.jobs() if job["prompt"] == prompt]
        return job

    def wait_finished(self, prompt: str) -> dict[str, Any]:
        """Waits until the one queue job of a prompt has ended, and gives it."""
        until(lambda: self.job(prompt)["state"] == "finished", f"the job {prompt!r} finishes")
        return self.job(prompt)

    def job_by_id(self, request_id: str) -> dict[str, Any]:
        """The queue job of an id."""
        [job] = [job for job in self.jobs() if job["request_id"] == request_id]
        return job

    def speed(self, seconds: float) -> None:
        """Sets how long the next queue jobs take."""
        self._http.post("/speed", json={"seconds": seconds}).raise_for_status()

    def reset(self) -> None:
        """Forgets calls and faults."""
        self._http.post("/reset").raise_for_status()

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()


@dataclass
class Received:
    """One webhook as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebhookReceiver:
    """A small server that keeps every POST; it answers with `statuses` in turn, then with 200."""

    url: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def wait_for(self, count: int) -> list[Received]:
        """Waits until so many webhooks came."""
        until(lambda: len(self.received) >= count, f"{count} webhooks, not {len(self.received)}")
        return self.received


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A receiver on a free port for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = WebhookReceiver(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Probe:
    """What decoding a whole media file showed; audio_seconds None without an audio track."""

    width: int | None
    height: int | None
    frames: int
    frames_per_second: float | None
    container_seconds: float
    audio_seconds: float | None
    codecs: tuple[str, ...]


def probe(content: bytes) -> Probe:
    """Decodes every frame of a file."""
    with av.open(io.BytesIO(content), "r") as media:
        video = media.streams.video[0] if media.streams.video else None
        audio = media.streams.audio[0] if media.streams.audio else None
        pictures, samples = 0, 0
        for frame in media.decode():
            if isinstance(frame, av.VideoFrame):
                pictures += 1
            elif isinstance(frame, av.AudioFrame):
                samples += frame.samples
        return Probe(
            width=video.width if video else None,
            height=video.height if video else None,
            frames=pictures,
            frames_per_second=float(video.average_rate) if video and video.average_rate else None,
            container_seconds=(media.duration or 0) / av.time_base,
            audio_seconds=samples / audio.rate if audio else None,
            codecs=tuple(stream.codec_context.name for stream in media.streams),
        )


def first_frame_colour(content: bytes) -> tuple[int, ...]:
    """The colour in the middle of a video's first frame."""
    with av.open(io.BytesIO(content), "r") as media:
        return _colour(next(media.decode(video=0)))


def last_frame_colour(content: bytes) -> tuple[int, ...]:
    """The colour in the middle of a video's last frame."""
    with av.open(io.BytesIO(content), "r") as media:
        *_, frame = media.decode(video=0)
        return _colour(frame)


def _colour(frame: av.VideoFrame) -> tuple[int, ...]:
    picture = frame.to_image()  # type: ignore[no-untyped-call]
    colour = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(colour, tuple)
    return tuple(int(part) for part in colour)
