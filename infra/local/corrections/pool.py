"""Warm environments: no more of them than this machine can hold.

MiniStack keeps every environment that a burst needed for minutes, of each function as many as it ever ran at once: a
hundred Python processes of 60 MB after 200 generations. AWS does that with its own memory.
"""

import importlib
import threading
from typing import Any

# Of each slot's work, this many environments stay warm; a generation passes through about that many functions.
WARM_PER_SLOT = 4


def install() -> None:
    """End the environment that was idle longest whenever a new one makes too many."""
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    acquire = service.acquire_worker
    most = WARM_PER_SLOT * max(1, service._ACCOUNT_CONCURRENCY_CAP)

    def acquire_worker(*details: Any, **named: Any) -> tuple[Any, str]:
        worker, how = acquire(*details, **named)
        if how == "spawn":
            surplus = take_surplus(runtime, most)
            # Ending a process takes a moment, which the invocation need not wait for.
            threading.Thread(target=runtime.kill_workers, args=(surplus,), daemon=True).start()
        return worker, how

    service.acquire_worker = acquire_worker


def take_surplus(runtime: Any, most: int) -> list[Any]:
    """Remove from the pool the idle workers beyond `most`, the longest idle first, and answer them."""
    with runtime._lock:
        workers = [worker for pool in runtime._workers.values() for worker in pool]
        idle = sorted((worker for worker in workers if not worker.in_use), key=lambda worker: float(worker.last_used))
        surplus = idle[: max(0, len(workers) - most)]
        for key, pool in list(runtime._workers.items()):
            runtime._workers[key] = [worker for worker in pool if worker not in surplus]
        return surplus
