"""What providers share whose jobs are begun by a POST, asked about by their id, and told of by a webhook."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from infra.sandbox import webhooks
from infra.sandbox.calls import call_of
from infra.sandbox.faults import Faults
from infra.sandbox.jobs import Job
from infra.sandbox.providers.base import Provider, json_object, prompt_in
from infra.sandbox.providers.fal_apps.base import App
from infra.sandbox.state import Sandbox

FORGERS_KEY = "nobody's key"


@dataclass(frozen=True)
class Ordered:
    """What a submission asks for: the model by its name, its inputs, and who is to be told."""

    model: str
    inputs: dict[str, Any]
    webhook_url: str | None


class Webhooks(webhooks.Webhooks):
    """The webhooks of a provider, which says itself how they are signed and what is in them."""

    def __init__(self, faults: Faults, provider: TaskProvider) -> None:
        super().__init__(faults)
        self._provider = provider

    def headers(self, job: Job, body: bytes, *, forged: bool) -> dict[str, str]:
        """The provider's signature, or the one of somebody who does not know its key."""
        return self._provider.signature(job, body, FORGERS_KEY if forged else self._provider.webhook_key)

    def invented(self, job: Job) -> dict[str, Any]:
        """A success with an output that nobody made."""
        return self._provider.shown(job, ["https://forged.invalid/output.png"])


class TaskProvider(Provider):
    """Submit and ask. A subclass has the models, and puts requests and answers into its provider's form."""

    models: ClassVar[Mapping[str, type[App]]]
    webhook_key: ClassVar[str] = ""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._webhooks = Webhooks(sandbox.faults, self)
        self.inputs: dict[str, dict[str, Any]] = {}

    @abstractmethod
    def ordered(self, request: Request, body: dict[str, Any]) -> Ordered:
        """What a submission asks for."""

    @abstractmethod
    def problem(self, status: int, message: str) -> Response:
        """An error in the provider's form: 400 or 422 for inputs, 401 without a key, 404 for what is not known."""

    @abstractmethod
    def shown(self, job: Job, urls: list[str] | None = None) -> dict[str, Any]:
        """A job as its webhook shows it; `urls`: as if it had ended well with these."""

    @abstractmethod
    def signature(self, job: Job, body: bytes, key: str) -> dict[str, str]:
        """The headers that sign a webhook with a key."""

    def accepted(self, job: Job) -> dict[str, Any]:
        """The answer to a submission."""
        return self.answered(job)

    def answered(self, job: Job) -> dict[str, Any]:
        """The answer to a question about a job; in most forms that is what the webhook shows."""
        return self.shown(job)

    async def close(self) -> None:
        """Closes the webhooks' connections."""
        await self._webhooks.close()

    async def create(self, request: Request) -> Response:
        """Accepts a job, unless it is refused."""
        begun = await self.begin(request)
        return begun if isinstance(begun, Response) else self.spoiled(begun[1], JSONResponse(self.accepted(begun[0])))

    async def begin(self, request: Request) -> tuple[Job, Any] | Response:
        """The job that was accepted and the fault that strikes its answer; or the refusal."""
        if not is_authorized(request):
            return self.problem(401, "Unauthorized. Check your API key.")
        ordered = self.ordered(request, await json_object(request) or {})
        call = call_of(request)
        call.prompt = prompt_in(ordered.inputs)
        fault = self.submission_fault(f"{call.prompt}\n{call.path}")
        if (refused := self.refusal(fault)) is not None:
            return refused
        if ordered.model not in self.models:
            return self.problem(404, f"The model {ordered.model!r} is not known.")
        try:
            inputs = self.models[ordered.model].model_validate(ordered.inputs)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return self.problem(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        job = self._start(request, ordered, inputs)
        call.accept(request_id=job.id)
        return job, fault

    async def get(self, request: Request) -> Response:
        """A job as it stands."""
        if not is_authorized(request):
            return self.problem(401, "Unauthorized. Check your API key.")
        job = self.sandbox.jobs.get(self.name, self.task_id(request))
        if job is None:
            return self.problem(404, "The task is not known.")
        call_of(request).request_id = job.id
        return await self.queue_call(request, JSONResponse(self.answered(job)))

    def task_id(self, request: Request) -> str:
        """The job that is asked about."""
        return str(request.path_params["task_id"])

    def _start(self, request: Request, ordered: Ordered, inputs: App) -> Job:
        async def work(job: Job) -> list[str]:
            if job.wants_empty_output:
                return []
            found = await self.sandbox.sources.fetch(inputs.sources())
            made = [await self.sandbox.studio.render(order) for order in inputs.orders(found)]
            return [self.sandbox.files.put(media, self.name, job.text).url for media in made]

        async def announce(job: Job) -> None:
            await self._webhooks.send(job, self.shown(job))

        job = self.sandbox.jobs.start(
            provider=self.name,
            app=ordered.model,
            path=request.url.path,
            prompt=prompt_in(ordered.inputs),
            webhook_url=ordered.webhook_url,
            work=work,
            announce=announce,
        )
        self.inputs[job.id] = ordered.inputs
        return job


def is_authorized(request: Request) -> bool:
    """Whether a request carries some key, as `Bearer KEY`."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(key.strip())
