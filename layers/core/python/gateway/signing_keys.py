"""The keys that providers sign webhooks with.

To have one costs an API key, which the function that the internet may call does not get: whoever submits notes the
signing key, and `callbacks` finds it.
"""

import time
from collections.abc import Callable

from gateway import signatures, telemetry
from gateway.provider import ForgedWebhook
from gateway.tables.jobs import SigningKey

NOTED_SECONDS = 3600.0
READ_PAUSE_SECONDS = 60.0


class SigningKeys:
    """One provider's key: noted hourly by whoever submits, read by whoever is called back."""

    def __init__(self, provider: str, dialect: str) -> None:
        self._provider = provider
        self._dialect = dialect
        self._note_again_at = float("-inf")
        self._key: str | None = None
        self._read_at = float("-inf")

    def note(self, fetch: Callable[[], str]) -> None:
        """Keep the key that `fetch` answers where callbacks finds it. Without it jobs go on, and are polled."""
        if time.monotonic() < self._note_again_at:
            return
        self._note_again_at = time.monotonic() + READ_PAUSE_SECONDS
        try:
            key = fetch()
            signatures.key_bytes(self._dialect, key)
            SigningKey.note(self._provider, key)
        except Exception as error:
            # Nothing is paid yet, and an exception here would make this attempt an uncertain one.
            telemetry.logger.error("webhook key not noted", extra={"reason": type(error).__name__})
            return
        self._note_again_at = time.monotonic() + NOTED_SECONDS

    def verify(self, check: Callable[[str], None]) -> None:
        """Have `check` verify with the key; it raises `ForgedWebhook`, and so does this.

        A key that does not fit is read again, once a minute at most: it may have been changed.
        """
        try:
            self._check(check)
        except ForgedWebhook:
            if time.monotonic() - self._read_at < READ_PAUSE_SECONDS:
                raise
            self._read_at = time.monotonic()
            noted = SigningKey.of(self._provider)
            self._key = noted.key if noted else None
            self._check(check)

    def _check(self, check: Callable[[str], None]) -> None:
        if self._key is None:
            raise ForgedWebhook("no key to verify with")
        check(self._key)
