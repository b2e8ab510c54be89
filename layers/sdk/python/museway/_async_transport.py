"""`_transport` for asyncio: performs the same steps, with the same arguments, awaited."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from weakref import WeakKeyDictionary

from museway._operations import Flow
from museway._settings import Settings
from museway._transport import (
    CHUNK_BYTES,
    answer_of,
    async_http,
    call_arguments,
    connection_errors,
    headers_of,
    put_arguments,
    save_arguments,
    whole_file,
    write_file,
)
from museway._wire import Answer, Call, Pause, Put, Save, Step, Write
from museway.errors import ConnectionFailed

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncTransport:
    """Runs flows on the running event loop. Each loop has its own connections: they cannot be shared."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        transport: "httpx.AsyncBaseTransport | None",
        sleep: Callable[[float], Awaitable[None]] | None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._sleep = sleep or asyncio.sleep
        self._http: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    async def run(self, flow: Flow[T]) -> T:
        """Perform every step of the flow and answer what it returns."""
        try:
            step = next(flow)
            while True:
                try:
                    answer = await self._perform(step)
                except ConnectionFailed as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as stop:
            value: T = stop.value
            return value

    async def close(self) -> None:
        """Close this event loop's connections; the next call opens new ones."""
        http = self._http.pop(asyncio.get_running_loop(), None)
        if http is not None:
            await http.aclose()

    def _client(self) -> "httpx.AsyncClient":
        loop = asyncio.get_running_loop()
        http = self._http.get(loop)
        if http is None:
            http = self._http[loop] = async_http(self._transport)
        return http

    async def _perform(self, step: Step) -> Answer | None:
        if isinstance(step, Pause):
            await self._sleep(step.seconds)
            return None
        if isinstance(step, Write):
            await asyncio.to_thread(write_file, step)
            return None
        if isinstance(step, Call):
            arguments = call_arguments(step, self._settings())
            with connection_errors():
                return answer_of(await self._client().request(**arguments))
        with connection_errors():
            return await (self._put(step) if isinstance(step, Put) else self._save(step))

    async def _put(self, step: Put) -> Answer:
        arguments = put_arguments(step)
        if isinstance(step.file.source, bytes):
            return answer_of(await self._client().request(**arguments, content=step.file.source))
        with step.file.source.open("rb") as file:
            return answer_of(await self._client().request(**arguments, content=_chunks_aside(file)))

    async def _save(self, step: Save) -> Answer:
        async with self._client().stream(**save_arguments(step)) as response:
            if response.is_success:
                with whole_file(step.path, step.sha256) as file:
                    async for chunk in response.aiter_bytes(CHUNK_BYTES):
                        await asyncio.to_thread(file.write, chunk)
            return Answer(response.status_code, headers_of(response))


async def _chunks_aside(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file's bytes, read on a worker thread so that the event loop goes on."""
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
