"""multipart/form-data, read with the standard library's MIME parser."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass

from starlette.requests import Request


@dataclass(frozen=True)
class Part:
    """One field of a form."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """A form's fields in their order."""

    parts: tuple[Part, ...]

    def texts(self) -> dict[str, str]:
        """The fields whose content is text; of a repeated one the last."""
        texts: dict[str, str] = {}
        for part in self.parts:
            try:
                texts[part.name] = part.content.decode()
            except UnicodeDecodeError:
                continue
        return texts

    def files(self, *names: str) -> tuple[bytes, ...]:
        """The contents of the fields with one of these names."""
        return tuple(part.content for part in self.parts if part.name in names)


async def form_of(request: Request) -> Form | None:
    """The request's form; None when its body is no multipart/form-data."""
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        return None
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = email.message_from_bytes(head + await request.body(), policy=email.policy.HTTP)
    parts: list[Part] = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            parts.append(Part(name, content))
    return Form(tuple(parts))
