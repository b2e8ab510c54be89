"""A project's own keys at providers (BYOK): tested, encrypted, and opened for the calls of that project alone.

A key lies encrypted under a KMS key of the stack, bound to its project and provider by the encryption context: moved
to another's place it cannot be opened. Who saves keys cannot open them, and who opens them cannot save any.
"""

import base64
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from gateway import aws, ids, providers, tables, telemetry
from gateway.config import settings
from gateway.errors import InvalidField, NotFound, ProviderKeyRejected, Unavailable
from gateway.provider import Provider
from gateway.providers import ApiKey, OwnAccount

KEY_LENGTH_MIN, KEY_LENGTH_MAX = 12, 4096
"""Of fewer characters the last four would tell too much; of more than 4096 bytes KMS encrypts nothing."""
LENGTH_SHOWN = 4
OPENED_KEPT_SECONDS = 300.0
"""How long a container goes on with what it has decrypted; whether the key is still there is read at each call."""
OPENED_MAX = 64
_TRIES_MAX = 5


def save(project_id: str, provider: str, key: str, *, test: bool) -> dict[str, Any]:
    """Keep a project's key at a provider, in the place of any before; answers what may be shown of it.

    With `test` the provider is asked first, and only a key that it takes is kept; one that it cannot be asked about is
    kept untested, and the answer says so. Raises InvalidField, NotFound, ProviderKeyRejected, ProviderUnavailable.
    """
    name = providers.described(provider)["name"]
    own_key = ApiKey(_checked(key))
    is_taken = None
    if test:
        # Brings the HTTP client, which the other routes need not load.
        from gateway.providers import checking

        is_taken = checking.is_taken(provider, own_key)
    if is_taken is False:
        raise ProviderKeyRejected(f"{name} does not take this key.", field="key")
    shown = {"last_four": own_key.value[-LENGTH_SHOWN:], "tested": is_taken is True}
    shown["saved_at"] = ids.timestamp(ids.now())
    _write(project_id, provider, _sealed(project_id, provider, own_key), shown)
    telemetry.logger.info("provider key saved", extra={"provider": provider, "tested": shown["tested"]})
    warnings = [f"{name} has no call to test a key by; it was saved untested."] if test and is_taken is None else []
    return {**_view(provider, shown), "warnings": warnings}


def delete(project_id: str, provider: str) -> dict[str, Any]:
    """Forget a project's key at a provider, at once and for good; answers what was shown of it. Raises NotFound."""
    deleted = find(project_id, provider)
    _write(project_id, provider, None, None)
    telemetry.logger.info("provider key deleted", extra={"provider": provider})
    return deleted


def find(project_id: str, provider: str) -> dict[str, Any]:
    """What may be shown of a project's key at a provider. Raises NotFound where there is none."""
    shown = (_project(project_id).provider_keys or {}).get(provider)
    if shown is None:
        raise NotFound(
            f"This project has no key of its own for '{provider[:40]}'.", hint="GET /v1/providers lists them."
        )
    return _view(provider, shown)


def listed(project_id: str) -> dict[str, Any]:
    """Every provider, each with what may be shown of the project's own key."""
    kept = _project(project_id).provider_keys or {}
    items = [{"provider": one, "name": name, "key": kept.get(one)} for one, name in providers.names().items()]
    return {"items": items, "next_cursor": None}


def adapter(provider: str, own_project_id: str | None) -> Provider:
    """The adapter of a provider, on the account of a project where one is named, else on ours.

    Its key is looked up at each call: a rotated one is in use at once, and there is none as soon as it is deleted.
    """
    if own_project_id is None:
        return providers.provider(provider)
    return providers.provider(provider, OwnAccount(own_project_id, lambda: current(own_project_id, provider)))


def current(project_id: str, provider: str) -> ApiKey | None:
    """A project's key at a provider as it is now; None where there is none, or none that can be opened."""
    kept = tables.ProviderKey.find(project_id, provider)
    if kept is None or kept.ciphertext is None:
        return None
    try:
        return _opened(project_id, provider, kept.ciphertext)
    except Exception as error:
        # The call is refused before it is made, or the job asked about later. Only the kind of error is logged.
        telemetry.logger.error("a project's provider key cannot be opened", extra={"reason": type(error).__name__})
        return None


def forget() -> None:
    """Drop what was decrypted, so that the next use asks KMS."""
    _opened_before.clear()


_opened_before: OrderedDict[tuple[str, str, str], tuple[float, ApiKey]] = OrderedDict()
"""By project, provider and ciphertext, what was opened lately and when."""


def _opened(project_id: str, provider: str, ciphertext: str) -> ApiKey:
    place, now = (project_id, provider, ciphertext), time.monotonic()
    if (found := _opened_before.get(place)) and now - found[0] < OPENED_KEPT_SECONDS:
        return found[1]
    answer = aws.client("kms").decrypt(
        KeyId=settings().project_keys_key_arn,
        CiphertextBlob=base64.b64decode(ciphertext),
        EncryptionContext=_context(project_id, provider),
    )
    key = ApiKey(answer["Plaintext"].decode())
    _opened_before.pop(place, None)
    _opened_before[place] = (now, key)
    while len(_opened_before) > OPENED_MAX:
        _opened_before.popitem(last=False)
    return key


def _sealed(project_id: str, provider: str, key: ApiKey) -> str:
    answer = aws.client("kms").encrypt(
        KeyId=settings().project_keys_key_arn,
        Plaintext=key.value.encode(),
        EncryptionContext=_context(project_id, provider),
    )
    return base64.b64encode(answer["CiphertextBlob"]).decode()


def _context(project_id: str, provider: str) -> dict[str, str]:
    return {"project_id": project_id, "provider": provider}


def _write(project_id: str, provider: str, ciphertext: str | None, shown: Mapping[str, Any] | None) -> None:
    """Put a key in its place, or take it away, together with what the project's item tells of it."""
    sealed, listing = tables.ProviderKey.ciphertext, tables.Project.provider_keys
    for _ in range(_TRIES_MAX):
        project = _project(project_id)
        kept = {name: one for name, one in (project.provider_keys or {}).items() if name != provider}
        kept |= {provider: shown} if shown else {}
        # Keys that somebody else saves at the same time are not lost from the listing.
        as_read = tables.Project.pk.exists() & tables.unchanged(listing, project.provider_keys)
        try:
            with tables.transaction() as tx:
                change = sealed.set(ciphertext) if ciphertext else sealed.remove()
                tx.update("key", tables.ProviderKey.of(project_id, provider), [change], None)
                tx.update("project", project, [listing.set(kept) if kept else listing.remove()], as_read)
        except tables.ConditionFailed:
            continue
        return
    raise Unavailable("The provider keys are being changed by others; nothing was changed.")


def _project(project_id: str) -> tables.Project:
    project = tables.Project.find(project_id)
    if project is None:
        raise NotFound("This key's project no longer exists.")
    return project


def _checked(key: str) -> str:
    """A key without the line's end it was copied with. Raises InvalidField for what no header can carry."""
    text = key.strip()
    if not (KEY_LENGTH_MIN <= len(text) <= KEY_LENGTH_MAX and text.isascii() and text.isprintable()):
        reason = f"'key' must be {KEY_LENGTH_MIN} to {KEY_LENGTH_MAX} printable ASCII characters."
        raise InvalidField(reason, field="key")
    return text


def _view(provider: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    return {"provider": provider, **shown}
