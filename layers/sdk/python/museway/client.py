"""The clients: the same calls twice, blocking and async. Both name operations and have them performed."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from museway._files import local_file
from museway._operations import RUN_TIMEOUT_SECONDS, Flow, Operations, Pace, Progress
from museway._settings import Settings, resolve
from museway._transport import SyncTransport
from museway._wire import Accepted, MediaRequest
from museway.errors import MusewayError

if TYPE_CHECKING:
    import httpx

    from museway._async_transport import AsyncTransport

__all__ = ["AsyncClient", "AsyncGeneration", "Client", "Generation"]

_T = TypeVar("_T")


class _Configured:
    """A gateway and a key, looked up at the first call: a client can be made before they are known."""

    def __init__(self, url: str | None, api_key: str | None, pace: Pace | None) -> None:
        self._url = url
        self._api_key = api_key
        self._resolved: Settings | None = None
        self._operations = Operations(pace or Pace())

    def _settings(self) -> Settings:
        if self._resolved is None:
            self._resolved = resolve(self._url, self._api_key)
        return self._resolved

    def __repr__(self) -> str:
        url = self._resolved.url if self._resolved else self._url
        return f"{type(self).__name__}(url={url!r})"


class _Handle:
    """What both kinds of generation know without asking."""

    def __init__(self, accepted: Accepted) -> None:
        self._accepted = accepted

    @property
    def id(self) -> str:
        """The generation's id, which any client of the project can look up."""
        return self._accepted.generation_id

    @property
    def accepted(self) -> dict[str, Any]:
        """The answer to the submission (estimated seconds and cost, warnings); empty for a looked-up one."""
        return dict(self._accepted.answer)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r})"


class Generation(_Handle):
    """One submitted call. It goes on whether or not anybody waits for it."""

    def __init__(self, client: "Client", accepted: Accepted) -> None:
        super().__init__(accepted)
        self._client = client

    def status(self) -> dict[str, Any]:
        """The present state, as `GET /v1/generations/{id}` answers it. Costs nothing, raises for no state."""
        return self._client._perform(self._client._operations.status(self._accepted))

    def wait(self, timeout: float | None = None, on_progress: Progress | None = None) -> dict[str, Any]:
        """Wait until it is completed and answer the final status.

        `timeout` is in seconds (default: a little longer than any generation may take); `on_progress` is
        called with each status on the way. Raises GenerationFailed when it ends otherwise, WaitTimeout when
        time is up.
        """
        seconds = RUN_TIMEOUT_SECONDS if timeout is None else timeout
        return self._client._perform(self._client._operations.wait(self._accepted, seconds, on_progress))

    def result(self, timeout: float | None = None, on_progress: Progress | None = None) -> dict[str, Any]:
        """Wait as `wait` does and answer the dictionary that `run` answers."""
        seconds = RUN_TIMEOUT_SECONDS if timeout is None else timeout
        return self._client._perform(self._client._operations.result(self._accepted, seconds, on_progress))

    def cancel(self) -> dict[str, Any]:
        """Stop it, so that nothing is charged; answers its final status. Repeating it changes nothing.

        Raises AlreadyFinished when it has ended, or its provider has delivered: then it is charged.
        """
        return self._client._perform(self._client._operations.cancel(self._accepted))


class AsyncGeneration(_Handle):
    """One submitted call, for async code. It goes on whether or not anybody waits for it."""

    def __init__(self, client: "AsyncClient", accepted: Accepted) -> None:
        super().__init__(accepted)
        self._client = client

    async def status(self) -> dict[str, Any]:
        """As `Generation.status`."""
        return await self._client._perform(self._client._operations.status(self._accepted))

    async def wait(self, timeout: float | None = None, on_progress: Progress | None = None) -> dict[str, Any]:
        """As `Generation.wait`; `on_progress` is a plain function."""
        seconds = RUN_TIMEOUT_SECONDS if timeout is None else timeout
        return await self._client._perform(self._client._operations.wait(self._accepted, seconds, on_progress))

    async def result(self, timeout: float | None = None, on_progress: Progress | None = None) -> dict[str, Any]:
        """As `Generation.result`."""
        seconds = RUN_TIMEOUT_SECONDS if timeout is None else timeout
        return await self._client._perform(self._client._operations.result(self._accepted, seconds, on_progress))

    async def cancel(self) -> dict[str, Any]:
        """As `Generation.cancel`."""
        return await self._client._perform(self._client._operations.cancel(self._accepted))


class Client(_Configured):
    """Calls a gateway and waits for the answer. May be shared between threads.

    `url` and `api_key` default to `MUSEWAY_URL` and `MUSEWAY_API_KEY`, read at the first call. `transport`,
    `pace` and `sleep` are for tests: `httpx.MockTransport`, a clock that does not run, a sleep that does not.
    Every call raises `MusewayError`s only (and `OSError` for files that cannot be read or written).
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        transport: "httpx.BaseTransport | None" = None,
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(url, api_key, pace)
        self._transport = SyncTransport(self._settings, transport, sleep)
        self._perform = self._transport.run

    def run(
        self,
        model: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        output_path: str | None = None,
        output_url_path: str | None = None,
        kind: str = "auto",
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Generate, wait, and answer `{model, kind, drive_path, output_url, request_id, billed_micros,
        billed_usd, meta}`.

        `inputs` and `kwargs` (which win) go to the model as they are; a local file where a URL is expected is
        uploaded first. `output_path` names the file in the drive; `output_url_path` says where the model's
        answer has its URL (`outputs[0].asset.url`); `kind` is image, video, audio, text or auto. Raises
        GenerationFailed (nothing is billed) and the refusals of `museway.errors`.

        Without a model, or with `router/NAME` for one, it is chosen: `mode` (`image`, `chat+image`) or `capabilities`
        say what it must do; `prefer` (balanced, price, quality, speed), `quality_min`, `max_price_micros`,
        `providers`, `exclude_providers`, `models` and `exclude_models` narrow the choice. `allow_platform_key` lets a
        call on a provider key of the project's own fall back to the gateway's. All these are told from inputs by their
        names; a model's own input of such a name goes into `inputs`.
        """
        paths = {"output_path": output_path, "output_url_path": output_url_path}
        request = MediaRequest.of(model, inputs, kwargs, kind=kind, **paths)
        return self._perform(self._operations.run(request))

    def submit(
        self,
        model: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        output_path: str | None = None,
        output_url_path: str | None = None,
        kind: str = "auto",
        **kwargs: Any,
    ) -> Generation:
        """Start a generation, as `run` does, without waiting for it."""
        paths = {"output_path": output_path, "output_url_path": output_url_path}
        request = MediaRequest.of(model, inputs, kwargs, kind=kind, **paths)
        return Generation(self, self._perform(self._operations.submit(request)))

    def batch(self, requests: Sequence[Mapping[str, Any]]) -> list[Generation | MusewayError]:
        """Start up to 90 typed requests (`{"model": ..., "prompt": ..., ...}`) at once, without waiting for them.

        Answers, in their order, a generation for each that was accepted and the error of each that was not; only
        what concerns all of them is raised. Credits are held for all at once, for the first ones first. Local files
        are uploaded as for `run`.
        """
        outcomes = self._perform(self._operations.batch(requests))
        return [one if isinstance(one, MusewayError) else Generation(self, one) for one in outcomes]

    def cancel(self, generation_id: str) -> dict[str, Any]:
        """Stop a generation, as `Generation.cancel` does."""
        return self.generation(generation_id).cancel()

    def generation(self, generation_id: str) -> Generation:
        """A handle on a generation submitted earlier or elsewhere. Asks nothing yet."""
        return Generation(self, Accepted(generation_id))

    def estimate(
        self, model: str | None = None, inputs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """What `run` with the same inputs would cost (`expected_micros`, `maximum_micros`, `lines`) and take
        (`estimated_time_seconds`). Starts nothing and holds nothing; local files are uploaded."""
        return self._perform(self._operations.estimate(MediaRequest.of(model, inputs, kwargs)))

    def route(self, model: str | None = None, inputs: Mapping[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]:
        """Which models would serve `run` with the same arguments: `candidates`, best first, then those that were
        dropped, each with its `reason`. Starts nothing; local files are uploaded."""
        return self._perform(self._operations.route(MediaRequest.of(model, inputs, kwargs)))

    def modes(self) -> list[dict[str, Any]]:
        """The modes and the capabilities that each requires. Needs no key."""
        return self._perform(self._operations.modes())

    def routers(self) -> list[dict[str, Any]]:
        """The project's saved routers, by name."""
        return self._perform(self._operations.routers())

    def router(self, name: str, *, version: int | None = None) -> dict[str, Any]:
        """A saved router as it is, or what it said in a version."""
        return self._perform(self._operations.router(name, {"version": version}))

    def create_router(self, name: str, **wish: Any) -> dict[str, Any]:
        """Save what is wanted of a model, to be called as `router/NAME`.

        `wish` is what `run` takes to choose a model, and `fallback_order`: models that come before all others.
        """
        return self._perform(self._operations.create_router(name, wish))

    def change_router(self, name: str, **wish: Any) -> dict[str, Any]:
        """Replace what a router says, as a whole, by its next version."""
        return self._perform(self._operations.change_router(name, wish))

    def delete_router(self, name: str) -> dict[str, Any]:
        """Take a router away; generations go on naming the version that chose for them."""
        return self._perform(self._operations.delete_router(name))

    def try_router(self, name: str, *, version: int | None = None, limit: int = 20) -> dict[str, Any]:
        """What a router would have made of the project's last requests, in model and in price: `items` and `totals`."""
        return self._perform(self._operations.try_router(name, {"version": version, "limit": limit}))

    def models(self, **filters: Any) -> list[dict[str, Any]]:
        """The catalog; `kind`, `capability`, `mode`, `family`, `status` and `q` narrow it. Needs no key."""
        return self._perform(self._operations.models(filters))

    def model(self, model_id: str) -> dict[str, Any]:
        """Everything about one model: its input schema, limits, prices and who serves it. Needs no key."""
        return self._perform(self._operations.model(model_id))

    def pricing(self, **filters: Any) -> list[dict[str, Any]]:
        """Every model with its rate table, in US dollars and credits; filters as for `models`. Needs no key."""
        return self._perform(self._operations.pricing(filters))

    def health(self) -> dict[str, Any]:
        """The gateway's `status`, `version`, `catalog_version` and `stage`. Needs no key."""
        return self._perform(self._operations.health())

    def balance(self) -> dict[str, Any]:
        """The project's `available_micros`, `held_micros`, `spent_micros` and `granted_micros`."""
        return self._perform(self._operations.balance())

    def records(self, *, since: str | None = None, until: str | None = None) -> list[dict[str, Any]]:
        """Every BillingRecord created in the ISO 8601 interval; `museway.records.verify` recomputes them."""
        return self._perform(self._operations.records({"since": since, "until": until}))

    def keys(self) -> list[dict[str, Any]]:
        """The project's API keys, newest first, those that expired or were revoked too; never the keys themselves."""
        return self._perform(self._operations.keys())

    def key(self, key_id: str) -> dict[str, Any]:
        """One API key's `name`, `scopes`, `spending_limit`, `expires_at` and `revoked_at`."""
        return self._perform(self._operations.key(key_id))

    def create_key(
        self,
        name: str,
        *,
        scopes: Sequence[str] | None = None,
        spending_limit: Mapping[str, int | None] | None = None,
        expires_at: str | None = None,
    ) -> dict[str, Any]:
        """Make an API key; the answer's `api_key` is shown this once.

        `scopes` are among those of the client's own key; `spending_limit` has `day_micros`, `month_micros` and
        `total_micros` (UTC); `expires_at` is an ISO 8601 time. Raises AlreadyCreated when the key was made but its
        answer got lost.
        """
        wanted = {"name": name, "scopes": scopes, "spending_limit": spending_limit, "expires_at": expires_at}
        return self._perform(self._operations.create_key(wanted))

    def change_key(self, key_id: str, **changes: Any) -> dict[str, Any]:
        """Change a key's `name` or `spending_limit`: what is not named stays, also of the limit; None takes one off."""
        return self._perform(self._operations.change_key(key_id, changes))

    def revoke_key(self, key_id: str) -> dict[str, Any]:
        """Refuse an API key from now on, for good; it may be the client's own."""
        return self._perform(self._operations.revoke_key(key_id))

    def providers(self) -> list[dict[str, Any]]:
        """Every provider: `provider`, `name`, and as `key` what may be shown of the project's own, where it has one."""
        return self._perform(self._operations.providers())

    def save_provider_key(self, provider: str, key: str, *, test: bool = True) -> dict[str, Any]:
        """Have the project's calls to a provider made with its own key: the provider bills it, the gateway its fee.

        The provider is asked first, and only a key that it takes is saved; `test=False` saves it unasked. Only its last
        four characters ever come back.
        """
        return self._perform(self._operations.save_provider_key(provider, {"key": key, "test": test}))

    def provider_key(self, provider: str) -> dict[str, Any]:
        """The `last_four` of the project's own key at a provider, when it was saved, and whether it was tested."""
        return self._perform(self._operations.provider_key(provider))

    def delete_provider_key(self, provider: str) -> dict[str, Any]:
        """Delete the project's own key at a provider, at once and for good."""
        return self._perform(self._operations.delete_provider_key(provider))

    def settings(self) -> dict[str, Any]:
        """The project's `currency`, `spending_limit` and `alerts`."""
        return self._perform(self._operations.settings())

    def change_settings(self, **changes: Any) -> dict[str, Any]:
        """Change the settings that are named, also single parts of an object; None sets one back."""
        return self._perform(self._operations.change_settings(changes))

    def grouped(self, group_by: str, *, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        """What records come to by model, key, session, workflow or day: `items` of `{<group>, records,
        amount_micros, credits}` and `totals`. Refunds are not taken off."""
        return self._perform(self._operations.grouped({"group_by": group_by, "since": since, "until": until}))

    def ledger(self, *, since: str | None = None, until: str | None = None) -> list[dict[str, Any]]:
        """Every movement of the project's money in the ISO 8601 interval, newest first."""
        return self._perform(self._operations.ledger({"since": since, "until": until}))

    def session_cost(self, session_id: str, *, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        """What the calls of a session cost: `items`, and `totals` with refunds taken off (`net_micros`)."""
        return self._perform(self._operations.session_cost(session_id, {"since": since, "until": until}))

    def export_records(
        self, file_format: str, path: str | Path, *, since: str | None = None, until: str | None = None
    ) -> Path:
        """Save BillingRecords as `jsonl`, `csv` or `focus` (FOCUS 1.4), oldest first, and answer where they are.

        `path` is the file, or a directory that gets it as `records.` and the format's ending.
        """
        filters = {"since": since, "until": until}
        return self._perform(self._operations.export_records(file_format, Path(path), filters))

    def exports(self, *, since: str | None = None, until: str | None = None) -> list[dict[str, Any]]:
        """The archive's days, newest first: totals, and `files` with digests and URLs for an hour."""
        return self._perform(self._operations.exports({"since": since, "until": until}))

    def save_exports(self, directory: str | Path, *, since: str | None = None, until: str | None = None) -> list[Path]:
        """Bring the archive's days to `directory/yyyy/mm/dd`, and answer which files are new there."""
        return self._perform(self._operations.save_exports(Path(directory), {"since": since, "until": until}))

    def upload(self, source: str | Path | bytes, filename: str | None = None) -> dict[str, str]:
        """Put a file into the project's drive; answers its `url` (for use as an input) and `drive_path`."""
        return self._perform(self._operations.upload([local_file(source, filename)]))[0]

    def download(self, result: Mapping[str, Any], path: str | Path) -> Path:
        """Save the file of a result of `run` (or of one of its `meta["outputs"]`) and answer where it is.

        `path` is the file, or a directory that gets it under its name in the drive.
        """
        return self._perform(self._operations.download(result, Path(path)))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Configured):
    """`Client` for async code (asyncio): the same calls, awaited. May be used from several event loops."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        transport: "httpx.AsyncBaseTransport | None" = None,
        pace: Pace | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(url, api_key, pace)
        self._given = (transport, sleep)
        self._transport: AsyncTransport | None = None

    async def run(
        self,
        model: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        output_path: str | None = None,
        output_url_path: str | None = None,
        kind: str = "auto",
        **kwargs: Any,
    ) -> dict[str, Any]:
        """As `Client.run`."""
        paths = {"output_path": output_path, "output_url_path": output_url_path}
        request = MediaRequest.of(model, inputs, kwargs, kind=kind, **paths)
        return await self._perform(self._operations.run(request))

    async def submit(
        self,
        model: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        output_path: str | None = None,
        output_url_path: str | None = None,
        kind: str = "auto",
        **kwargs: Any,
    ) -> AsyncGeneration:
        """As `Client.submit`."""
        paths = {"output_path": output_path, "output_url_path": output_url_path}
        request = MediaRequest.of(model, inputs, kwargs, kind=kind, **paths)
        return AsyncGeneration(self, await self._perform(self._operations.submit(request)))

    async def batch(self, requests: Sequence[Mapping[str, Any]]) -> list[AsyncGeneration | MusewayError]:
        """As `Client.batch`."""
        outcomes = await self._perform(self._operations.batch(requests))
        return [one if isinstance(one, MusewayError) else AsyncGeneration(self, one) for one in outcomes]

    async def cancel(self, generation_id: str) -> dict[str, Any]:
        """As `Client.cancel`."""
        return await self.generation(generation_id).cancel()

    def generation(self, generation_id: str) -> AsyncGeneration:
        """As `Client.generation`."""
        return AsyncGeneration(self, Accepted(generation_id))

    async def estimate(
        self, model: str | None = None, inputs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """As `Client.estimate`."""
        return await self._perform(self._operations.estimate(MediaRequest.of(model, inputs, kwargs)))

    async def route(
        self, model: str | None = None, inputs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """As `Client.route`."""
        return await self._perform(self._operations.route(MediaRequest.of(model, inputs, kwargs)))

    async def modes(self) -> list[dict[str, Any]]:
        """As `Client.modes`."""
        return await self._perform(self._operations.modes())

    async def routers(self) -> list[dict[str, Any]]:
        """As `Client.routers`."""
        return await self._perform(self._operations.routers())

    async def router(self, name: str, *, version: int | None = None) -> dict[str, Any]:
        """As `Client.router`."""
        return await self._perform(self._operations.router(name, {"version": version}))

    async def create_router(self, name: str, **wish: Any) -> dict[str, Any]:
        """As `Client.create_router`."""
        return await self._perform(self._operations.create_router(name, wish))

    async def change_router(self, name: str, **wish: Any) -> dict[str, Any]:
        """As `Client.change_router`."""
        return await self._perform(self._operations.change_router(name, wish))

    async def delete_router(self, name: str) -> dict[str, Any]:
        """As `Client.delete_router`."""
        return await self._perform(self._operations.delete_router(name))

    async def try_router(self, name: str, *, version: int | None = None, limit: int = 20) -> dict[str, Any]:
        """As `Client.try_router`."""
        return await self._perform(self._operations.try_router(name, {"version": version, "limit": limit}))

    async def models(self, **filters: Any) -> list[dict[str, Any]]:
        """As `Client.models`."""
        return await self._perform(self._operations.models(filters))

    async def model(self, model_id: str) -> dict[str, Any]:
        """As `Client.model`."""
        return await self._perform(self._operations.model(model_id))

    async def pricing(self, **filters: Any) -> list[dict[str, Any]]:
        """As `Client.pricing`."""
        return await self._perform(self._operations.pricing(filters))

    async def health(self) -> dict[str, Any]:
        """As `Client.health`."""
        return await self._perform(self._operations.health())

    async def balance(self) -> dict[str, Any]:
        """As `Client.balance`."""
        return await self._perform(self._operations.balance())

    async def records(self, *, since: str | None = None, until: str | None = None) -> list[dict[str, Any]]:
        """As `Client.records`."""
        return await self._perform(self._operations.records({"since": since, "until": until}))

    async def keys(self) -> list[dict[str, Any]]:
        """As `Client.keys`."""
        return await self._perform(self._operations.keys())

    async def key(self, key_id: str) -> dict[str, Any]:
        """As `Client.key`."""
        return await self._perform(self._operations.key(key_id))

    async def create_key(
        self,
        name: str,
        *,
        scopes: Sequence[str] | None = None,
        spending_limit: Mapping[str, int | None] | None = None,
        expires_at: str | None = None,
    ) -> dict[str, Any]:
        """As `Client.create_key`."""
        wanted = {"name": name, "scopes": scopes, "spending_limit": spending_limit, "expires_at": expires_at}
        return await self._perform(self._operations.create_key(wanted))

    async def change_key(self, key_id: str, **changes: Any) -> dict[str, Any]:
        """As `Client.change_key`."""
        return await self._perform(self._operations.change_key(key_id, changes))

    async def revoke_key(self, key_id: str) -> dict[str, Any]:
        """As `Client.revoke_key`."""
        return await self._perform(self._operations.revoke_key(key_id))

    async def providers(self) -> list[dict[str, Any]]:
        """As `Client.providers`."""
        return await self._perform(self._operations.providers())

    async def save_provider_key(self, provider: str, key: str, *, test: bool = True) -> dict[str, Any]:
        """As `Client.save_provider_key`."""
        return await self._perform(self._operations.save_provider_key(provider, {"key": key, "test": test}))

    async def provider_key(self, provider: str) -> dict[str, Any]:
        """As `Client.provider_key`."""
        return await self._perform(self._operations.provider_key(provider))

    async def delete_provider_key(self, provider: str) -> dict[str, Any]:
        """As `Client.delete_provider_key`."""
        return await self._perform(self._operations.delete_provider_key(provider))

    async def settings(self) -> dict[str, Any]:
        """As `Client.settings`."""
        return await self._perform(self._operations.settings())

    async def change_settings(self, **changes: Any) -> dict[str, Any]:
        """As `Client.change_settings`."""
        return await self._perform(self._operations.change_settings(changes))

    async def grouped(self, group_by: str, *, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        """As `Client.grouped`."""
        return await self._perform(self._operations.grouped({"group_by": group_by, "since": since, "until": until}))

    async def ledger(self, *, since: str | None = None, until: str | None = None) -> list[dict[str, Any]]:
        """As `Client.ledger`."""
        return await self._perform(self._operations.ledger({"since": since, "until": until}))

    async def session_cost(
        self, session_id: str, *, since: str | None = None, until: str | None = None
    ) -> dict[str, Any]:
        """As `Client.session_cost`."""
        return await self._perform(self._operations.session_cost(session_id, {"since": since, "until": until}))

    async def export_records(
        self, file_format: str, path: str | Path, *, since: str | None = None, until: str | None = None
    ) -> Path:
        """As `Client.export_records`."""
        filters = {"since": since, "until": until}
        return await self._perform(self._operations.export_records(file_format, Path(path), filters))

    async def exports(self, *, since: str | None = None, until: str | None = None) -> list[dict[str, Any]]:
        """As `Client.exports`."""
        return await self._perform(self._operations.exports({"since": since, "until": until}))

    async def save_exports(
        self, directory: str | Path, *, since: str | None = None, until: str | None = None
    ) -> list[Path]:
        """As `Client.save_exports`."""
        return await self._perform(self._operations.save_exports(Path(directory), {"since": since, "until": until}))

    async def upload(self, source: str | Path | bytes, filename: str | None = None) -> dict[str, str]:
        """As `Client.upload`."""
        return (await self._perform(self._operations.upload([local_file(source, filename)])))[0]

    async def download(self, result: Mapping[str, Any], path: str | Path) -> Path:
        """As `Client.download`."""
        return await self._perform(self._operations.download(result, Path(path)))

    async def close(self) -> None:
        """Close this event loop's connections."""
        if self._transport is not None:
            await self._transport.close()

    async def _perform(self, flow: Flow[_T]) -> _T:
        if self._transport is None:
            # asyncio would be half the cost of `from museway import media`, and most callers never use it.
            from museway._async_transport import AsyncTransport

            self._transport = AsyncTransport(self._settings, *self._given)
        return await self._transport.run(flow)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
