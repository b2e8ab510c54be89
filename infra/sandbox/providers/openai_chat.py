"""OpenAI's chat completions without streaming: words made of the conversation, and the tokens that they cost."""

from __future__ import annotations

import math
import re
import time
import uuid
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from infra.sandbox.render.media import generator

CHARACTERS_PER_TOKEN = 4
# https://platform.openai.com/docs/guides/prompt-caching: from 1,024 tokens on, in steps of 128.
CACHED_FROM_TOKENS, CACHED_STEP_TOKENS = 1024, 128
REASONING_STEP_TOKENS = 64
_WRITES = re.compile(r"(gpt-|o)\d(?!.*-(tts|transcribe|image))")
_REASONS = re.compile(r"gpt-[5-9]|o\d")
_OPENINGS = ("Of course.", "Here is what comes to mind.", "Gladly.", "Let us begin.", "A good question.")
_PLACES = ("harbour", "orchard", "workshop", "library", "valley", "station", "garden", "market", "lighthouse")
_DOERS = ("a painter", "the night train", "an old fox", "two sisters", "the tide", "a careful engineer", "the choir")
_DEEDS = ("waits for", "sings about", "draws", "carries home", "remembers", "measures", "forgives", "sets out for")


class Message(BaseModel):
    """One turn of a conversation; its content is a text, or parts of which some are texts."""

    model_config = ConfigDict(extra="ignore")
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]]

    @property
    def words(self) -> str:
        """Its text alone."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(str(part.get("text", "")) for part in self.content)


class ChatRequest(BaseModel):
    """The body of `/chat/completions`."""

    model_config = ConfigDict(extra="ignore")
    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] = 1
    temperature: Annotated[float, Field(ge=0, le=2)] = 1
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    seed: int | None = None
    stream: Literal[False] | None = None

    @field_validator("model")
    @classmethod
    def _model_writes(cls, model: str) -> str:
        if not _WRITES.match(model):
            raise ValueError("this model does not exist, or is not for chats")
        return model

    @property
    def conversation(self) -> str:
        """All that was said so far."""
        return "\n".join(f"{message.role}: {message.words}" for message in self.messages)


@dataclass(frozen=True)
class _Choice:
    text: str
    reasoning_tokens: int
    cut: bool

    @property
    def tokens(self) -> int:
        return self.reasoning_tokens + tokens_of(self.text)


class Writer:
    """Writes; remembers the conversations it has read, because what is read again is cached."""

    def __init__(self) -> None:
        self._read: set[tuple[str, str]] = set()

    def completion(self, wanted: ChatRequest, ending: str | None) -> dict[str, Any]:
        """The answer's body. `ending` is `filtered`, `empty_output` or None."""
        choices = [_written(wanted, index) for index in range(wanted.n)]
        silent = {"filtered": "content_filter", "empty_output": "stop"}.get(ending or "")
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": wanted.model,
            "choices": [
                {
                    "index": index,
                    "message": {
                        "role": "assistant",
                        "content": "" if silent else one.text,
                        "refusal": None,
                        "annotations": [],
                    },
                    "logprobs": None,
                    "finish_reason": silent or ("length" if one.cut else "stop"),
                }
                for index, one in enumerate(choices)
            ],
            "usage": self._usage(wanted, choices),
            "service_tier": "default",
            "system_fingerprint": None,
        }

    def _usage(self, wanted: ChatRequest, choices: list[_Choice]) -> dict[str, Any]:
        prompt, seen = tokens_of(wanted.conversation), (wanted.model, wanted.conversation)
        known = seen in self._read and prompt >= CACHED_FROM_TOKENS
        cached = prompt // CACHED_STEP_TOKENS * CACHED_STEP_TOKENS if known else 0
        self._read.add(seen)
        completion = sum(one.tokens for one in choices)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {
                "cached_tokens": cached,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": sum(one.reasoning_tokens for one in choices),
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def tokens_of(text: str) -> int:
    """About as many tokens as a text has."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def composed(chance: Random, subject: str) -> str:
    """Some sentences on a subject."""
    sentences = [chance.choice(_OPENINGS), f'You asked: "{subject}".']
    for _ in range(chance.randint(4, 9)):
        doer = chance.choice(_DOERS)
        sentences.append(f"In the {chance.choice(_PLACES)}, {doer} {chance.choice(_DEEDS)} {chance.choice(_DOERS)}.")
    return " ".join(sentences)


def _written(wanted: ChatRequest, index: int) -> _Choice:
    """One choice: the same for the same conversation and seed. Thinking uses up the limit before the words do."""
    chance = generator(wanted.model, wanted.conversation, wanted.seed, index)
    thinks = bool(_REASONS.match(wanted.model)) and wanted.reasoning_effort not in ("none", "minimal")
    reasoning = REASONING_STEP_TOKENS * chance.randint(1, 4) if thinks else 0
    subject = " ".join(wanted.messages[-1].words.split()[:12])
    text = composed(chance, subject)
    most = wanted.max_completion_tokens or wanted.max_tokens
    if most is None or reasoning + tokens_of(text) <= most:
        return _Choice(text, reasoning, cut=False)
    reasoning = min(reasoning, most)
    return _Choice(text[: (most - reasoning) * CHARACTERS_PER_TOKEN], reasoning, cut=True)
