"""Renders orders outside the event loop, each distinct order once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from infra.sandbox.render.media import Media, Order

T = TypeVar("T")
RENDER_THREADS = 2
CACHE_BYTES_MAX = 256 * 1024 * 1024


class Studio:
    """A small thread pool (codecs and Pillow release the interpreter lock) that keeps what it made last."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="sandbox-render")
        self._made: OrderedDict[Order, asyncio.Future[Media]] = OrderedDict()

    async def render(self, order: Order) -> Media:
        """The order's media; equal orders that come meanwhile wait for the same rendering."""
        future = self._made.get(order)
        if future is None:
            future = asyncio.ensure_future(self.run(order.render))
            self._made[order] = future
            future.add_done_callback(lambda done: self._trim(order, done))
        self._made.move_to_end(order)
        # Shielded: a caller that gives up must not take the rendering from the others.
        return await asyncio.shield(future)

    async def run(self, work: Callable[[], T]) -> T:
        """Runs any blocking function of the renderer in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Drops what has not begun and lets the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _trim(self, order: Order, done: asyncio.Future[Media]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._made.pop(order, None)
            return
        made = {key: len(f.result().content) for key, f in self._made.items() if f.done() and not f.cancelled()}
        total = sum(made.values())
        for key, size in made.items():
            if total <= CACHE_BYTES_MAX:
                break
            del self._made[key]
            total -= size
