"""Bedrock's Converse for texts alone, without streaming: words made of the conversation, and the tokens they cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.sandbox.providers.openai_chat import CHARACTERS_PER_TOKEN, composed, tokens_of
from infra.sandbox.render.media import generator

NOVA = ("amazon.nova-micro-v1:0", "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0")
PROFILES = frozenset(f"us.{model}" for model in NOVA)
"""Cross-region inference profiles, by which alone these models are served in us-west-2."""
BY_PROFILE_ONLY = (
    "Invocation of model ID {} with on-demand throughput isn't supported. Retry your request with the ID or ARN of an "
    "inference profile that contains this model."
)
_Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Block(_Strict):
    """A piece of text."""

    text: Annotated[str, Field(min_length=1)]


class Turn(_Strict):
    """What one side said."""

    role: Literal["user", "assistant"]
    content: Annotated[list[Block], Field(min_length=1)]


class Inference(_Strict):
    """How it is to be written."""

    max_tokens: Annotated[int, Field(alias="maxTokens", ge=1, le=5120)] = 5120
    temperature: _Share = 0.7
    top_p: Annotated[_Share, Field(alias="topP")] = 0.9
    stop_sequences: Annotated[list[str], Field(alias="stopSequences")] = []


class ConverseRequest(_Strict):
    """The body of a conversation."""

    messages: Annotated[list[Turn], Field(min_length=1)]
    system: list[Block] = []
    inference: Annotated[Inference, Field(alias="inferenceConfig")] = Inference()

    @property
    def prompt(self) -> str:
        """What was said last."""
        return "\n".join(block.text for block in self.messages[-1].content)

    def answer(self, ending: str | None) -> dict[str, Any]:
        """What is written, the same for the same conversation. `ending` is `filtered`, `empty_output` or None.

        Nothing is read from a cache: these models keep what a cache point asks for, and there is none here.
        """
        said = "\n".join(block.text for block in (*self.system, *(b for turn in self.messages for b in turn.content)))
        whole = composed(generator(said), " ".join(self.prompt.split()[:12]))
        text = whole[: self.inference.max_tokens * CHARACTERS_PER_TOKEN]
        reason = "end_turn" if text == whole else "max_tokens"
        given, written = tokens_of(said), tokens_of(text)
        return {
            "output": {"message": {"role": "assistant", "content": [] if ending else [{"text": text}]}},
            "stopReason": {"filtered": "content_filtered", "empty_output": "end_turn"}.get(ending or "", reason),
            "usage": {
                "inputTokens": given,
                "outputTokens": written,
                "totalTokens": given + written,
                "cacheReadInputTokens": 0,
                "cacheWriteInputTokens": 0,
            },
            "metrics": {"latencyMs": 1},
        }
