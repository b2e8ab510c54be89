"""What every provider's protocol shares: how faults strike its calls, whatever its JSON looks like."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.sandbox import hostile
from infra.sandbox.answers import BrokenOff, NoAnswer, cut_short, huge
from infra.sandbox.faults import ACCEPTING, Fault, Moment
from infra.sandbox.state import Sandbox


class Provider(ABC):
    """One wire protocol, served under `/{name}`. A subclass is one file here and one line in the registry."""

    name: ClassVar[str]
    queue_calls_from: ClassVar[str] = "/requests/"
    """Where the part of a status, result or cancel call's path begins that faults are matched with."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @abstractmethod
    def routes(self) -> list[Route]:
        """The provider's own paths."""

    @abstractmethod
    def trouble(self, fault: str) -> Response:
        """How this provider words `refuse` (403 or 402), `rate_limit` (429) and `server_error` (500)."""

    async def close(self) -> None:  # noqa: B027 - most protocols start nothing
        """Ends what the protocol itself has started; nothing by default."""

    def submission_fault(self, text: str) -> Fault | None:
        """The fault that strikes a submission with this prompt and path."""
        return self.sandbox.faults.take(Moment.SUBMISSION, self.name, text)

    def refusal(self, fault: Fault | None) -> Response | None:
        """The answer to a submission that is not accepted; None when it is."""
        return None if fault is None or fault.name in ACCEPTING else self.trouble(fault.name)

    def spoiled(self, fault: Fault | None, answer: Response) -> Response:
        """The answer to an accepted submission as the fault leaves it."""
        if fault is None:
            return answer
        if fault.name in hostile.ANSWERS:
            return hostile.ANSWERS[fault.name](answer, self.sandbox.stopping)
        return cut_short(answer) if fault.name == "bad_json" else self.no_answer(fault)

    def no_answer(self, fault: Fault) -> Response:
        """An answer that never comes."""
        return NoAnswer(fault.hang_seconds, self.sandbox.stopping)

    def output_flaw(self, text: str) -> str | None:
        """The output or download fault that strikes an answer which is both the output and its download."""
        faults = self.sandbox.faults
        fault = faults.take(Moment.OUTPUT, self.name, text) or faults.take(Moment.DOWNLOAD, self.name, text)
        return fault.name if fault else None

    def flawed(
        self, content: bytes, media_type: str, text: str, *, beginning: bytes, filling: bytes = b"\0"
    ) -> Response:
        """Such an answer as the output faults leave it; a huge one begins like the real one."""
        flaw = self.output_flaw(text) if content else None
        if flaw == "truncated_output":
            return BrokenOff(content, media_type=media_type)
        if flaw == "huge_output":
            return huge(beginning, media_type, filling=filling)
        return Response(content, media_type="text/html" if flaw == "wrong_content_type" else media_type)

    async def queue_call(self, request: Request, answer: Response) -> Response:
        """The answer to a status, result or cancel call, as faults with a `match` for such calls leave it."""
        _, marker, rest = request.url.path.partition(self.queue_calls_from)
        text = marker + rest
        await asyncio.sleep(self.sandbox.faults.take_delay(self.name, text, explicit=True))
        fault = self.sandbox.faults.take(Moment.SUBMISSION, self.name, text, explicit=True)
        return self.refusal(fault) or self.spoiled(fault, answer)


async def json_object(request: Request) -> dict[str, Any] | None:
    """The request's JSON object; None when the body is anything else."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def prompt_in(body: dict[str, Any]) -> str:
    """The words a request is about, under whichever of the usual names."""
    for name in ("prompt", "text", "input"):
        if isinstance(body.get(name), str):
            return str(body[name])
    messages = body.get("messages")
    said = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    return next((str(one.get("content")) for one in reversed(said) if one.get("role") == "user"), "")
