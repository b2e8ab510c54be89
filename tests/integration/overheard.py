"""What a world says to anybody, and the secrets that must not be in it: every world listens, and checks at its end.

Heard are the answers of every function, the state machine's inputs and outputs, events, log lines, and errors. A test
with a secret of its own says so: `museway.overheard.add(key)`.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway import telemetry

KEY = "sk-canary-7f3a9c51d2e84b06"
"""A provider's key."""
SIGNATURE = "canary-signature-0d41e6"
"""What makes a provider's URL open to whoever has it."""
WORDS = "canary words that only the provider and we have seen"
"""Of a raw answer, where nobody is to be quoted."""


class Overheard:
    """Everything that was said, and the secrets that were not to be."""

    def __init__(self) -> None:
        self._secrets = {KEY, SIGNATURE, WORDS}
        self._said: list[tuple[str, str]] = []

    def add(self, secret: str) -> None:
        """Another secret, also of what was said before."""
        self._secrets.add(secret)

    def hear(self, where: str, said: Any) -> None:
        """Something that leaves the system, or its innermost part."""
        self._said.append((where, said if isinstance(said, str) else json.dumps(said, default=str)))

    def leaks(self) -> list[str]:
        """Where a secret was said."""
        return [f"{where}: {said[:2000]}" for where, said in self._said if any(one in said for one in self._secrets)]

    @contextmanager
    def logs(self) -> Iterator[None]:
        """Listen to the log meanwhile, whatever level the tests show."""
        handler, shown = _Handler(self), telemetry.logger.registered_handler
        handler.setFormatter(telemetry.logger.registered_formatter)
        levels = telemetry.logger.log_level, shown.level
        telemetry.logger.addHandler(handler)
        logging.getLogger().addHandler(handler)
        shown.setLevel(levels[0])
        telemetry.logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            telemetry.logger.setLevel(levels[0])
            shown.setLevel(levels[1])
            logging.getLogger().removeHandler(handler)
            telemetry.logger._logger.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, overheard: Overheard) -> None:
        super().__init__(logging.INFO)
        self._overheard = overheard

    def emit(self, record: logging.LogRecord) -> None:
        self._overheard.hear("log", self.format(record))
