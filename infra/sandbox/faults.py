"""Faults: what can go wrong at a provider, switched on by `POST /_control/faults`.

A fault is armed for a provider (`*` any), a number of times (default 1; null or 0: until cleared) and a
`match`, a substring of the prompt or of the path. At each moment of a job the fault armed first that matches
is used up; the three webhook faults are used up independently of each other.

fault                moment      what happens
-------------------  ----------  ---------------------------------------------------------------------------
refuse               submission  403 in the provider's form, 402 at Replicate, 401 `quota_exceeded` at ElevenLabs;
                                 nothing is accepted or paid
rate_limit           submission  429 with `Retry-After: 1`; nothing is accepted or paid
server_error         submission  500; nothing is accepted or paid
accept_then_timeout  submission  accepted and paid, the job runs (and sends its webhook), but no answer
                                 comes: the connection is held for `seconds` (30) or until the client
                                 leaves, then dropped
bad_json             submission  accepted and paid, the job runs, but the answer (200) stops within its
                                 JSON or its media
html                 submission  accepted and paid, but the answer (200) is a page of HTML
wrong_type           submission  accepted and paid, but every value of the answer is of another type, and what is no
                                 JSON becomes a list
drip                 submission  accepted and paid, but the answer's body goes on for ever, a blank at a time
redirect             submission  accepted and paid, but the answer is 302 to where instances keep credentials
huge_answer          submission  accepted and paid, but the answer is JSON of 64 GiB
surplus_outputs      submission  accepted and paid, and every list of the answer has its items three times
unknown_status       submission  accepted and paid, but `status`, `state` and their like say "reticulating"
slow                 pace        `seconds` (3) more: for a queue job to finish, for a synchronous call to
                                 answer
never_finish         ending      accepted and paid; a queue job stays in progress, a synchronous call hangs
                                 like accept_then_timeout
fail_after_accept    ending      accepted and paid, then failed: fal COMPLETED with `error` and `error_type`,
                                 result 500; OpenAI and ElevenLabs 500; Bedrock 424
                                 `ModelErrorException`, its jobs `Failed`; Replicate `failed`
filtered             ending      moderation: fal accepts, then COMPLETED whose result is 422
                                 `content_policy_violation`; OpenAI refuses, 400 `moderation_blocked`, unpaid,
                                 but a chat is paid and ends with `finish_reason: content_filter`; ElevenLabs
                                 refuses, 400 `bad_prompt`, unpaid; Bedrock `finish_reasons` or `stopReason` at
                                 200, its jobs `Failed`; Replicate `failed`, in the words of the model's own
                                 checker
empty_output         ending      success without output: fal `images: []`, `video: null`, `audio: null`;
                                 OpenAI `data: []`, speech of no bytes, a chat of no words; ElevenLabs no bytes;
                                 Bedrock `images: []`, no text, a job that wrote nothing; Replicate `output: null`
                                 or `[]`
expired_output_url   output      the output's URL answers 404 for ever; Bedrock, ElevenLabs and OpenAI have no
                                 URLs, so no effect there, but what a job of Bedrock's wrote is not there
wrong_content_type   output      the file's header says `text/html` for ever, the bytes are right; OpenAI's
                                 pictures are in another format than asked
huge_output          output      the file announces and begins 64 GiB, and so does a picture as base64 in JSON; no
                                 effect on what is written into a bucket
truncated_output     download    one download announces its whole length and breaks off half way; of base64 in
                                 JSON, and of what is written into a bucket, half of the file
lost_webhook         webhook     the true webhook is not sent
duplicate_webhook    webhook     the true webhook is sent once more after it was acknowledged
forged_webhook       webhook     before the true one comes one with an invented payload and a key that is
                                 not the provider's
none                 -           clears the provider's faults (`*`: all)

Status, result and cancel calls are struck by the submission faults and by `slow` only if `match` is given and found
in their path from `/requests/` on (Replicate: `/predictions/`, ModelArk: `/tasks/`, xAI: `/videos/`, Google:
`/operations/`, Bedrock: `/async-invoke/`): match `/status` strikes status calls and no submission. Downloads of files
that have URLs are struck in the same way if `match` is found in `/files/NAME`: by refuse (403), rate_limit,
server_error, accept_then_timeout, html, drip and redirect.

ModelArk and xAI fail and are empty as their statuses have it; ModelArk's moderation fails a video and refuses a
picture, xAI's is done and paid for, with `respect_moderation: false`. Their pictures are as OpenAI's. xAI has no
webhooks.

Kie says all of it with HTTP 200 and a code in the body; what refuses there and at WaveSpeed is the credit (402), at
Kling the balance (429 with a code of its own). All three fail, are filtered and are empty as their states have it, at
200; their status calls begin at `/jobs/recordInfo`, `/predictions/` and `/v1/videos/`. A callback of Kling's is not
signed, so a forged one cannot be told there.

What a fault is like at Google stands in its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from infra.sandbox.hostile import ANSWERS


class Moment(StrEnum):
    """When a fault is used up."""

    SUBMISSION = "submission"
    PACE = "pace"
    ENDING = "ending"
    OUTPUT = "output"
    DOWNLOAD = "download"
    WEBHOOK = "webhook"


MOMENTS: dict[str, Moment] = {
    "refuse": Moment.SUBMISSION,
    "rate_limit": Moment.SUBMISSION,
    "server_error": Moment.SUBMISSION,
    "accept_then_timeout": Moment.SUBMISSION,
    "bad_json": Moment.SUBMISSION,
    **dict.fromkeys(ANSWERS, Moment.SUBMISSION),
    "slow": Moment.PACE,
    "never_finish": Moment.ENDING,
    "fail_after_accept": Moment.ENDING,
    "filtered": Moment.ENDING,
    "empty_output": Moment.ENDING,
    "expired_output_url": Moment.OUTPUT,
    "wrong_content_type": Moment.OUTPUT,
    "huge_output": Moment.OUTPUT,
    "truncated_output": Moment.DOWNLOAD,
    "lost_webhook": Moment.WEBHOOK,
    "duplicate_webhook": Moment.WEBHOOK,
    "forged_webhook": Moment.WEBHOOK,
}
NONE = "none"
ANY_PROVIDER = "*"
# Submission faults after which the provider has accepted the work all the same.
ACCEPTING = frozenset({"accept_then_timeout", "bad_json", *ANSWERS})
SLOW_SECONDS = 3.0
HANG_SECONDS = 30.0


@dataclass
class Fault:
    """One armed fault; `times_left` None means until cleared."""

    provider: str
    name: str
    times_left: int | None
    match: str
    seconds: float | None = None

    @property
    def moment(self) -> Moment:
        """When it is used up."""
        return MOMENTS[self.name]

    @property
    def hang_seconds(self) -> float:
        """How long a call that never answers is held open."""
        return HANG_SECONDS if self.seconds is None else self.seconds

    def strikes(self, provider: str, text: str) -> bool:
        """Whether it is meant for a call to `provider` with this prompt and path."""
        return self.provider in (provider, ANY_PROVIDER) and self.match in text

    def as_json(self) -> dict[str, Any]:
        """The form `GET /_control/faults` shows."""
        return {
            "provider": self.provider,
            "fault": self.name,
            "times": self.times_left,
            "match": self.match,
            "seconds": self.seconds,
        }


class Faults:
    """The armed faults, in the order they were armed."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Adds a fault; its name must be one of MOMENTS."""
        self._armed.append(fault)

    def clear(self, provider: str = ANY_PROVIDER) -> None:
        """Forgets the faults of one provider, or all of them."""
        self._armed = [f for f in self._armed if provider not in (ANY_PROVIDER, f.provider)]

    def armed(self) -> list[Fault]:
        """What is still armed."""
        return list(self._armed)

    def take(self, moment: Moment, provider: str, text: str, *, explicit: bool = False) -> Fault | None:
        """Uses up one time of the first fault of `moment` that strikes; `explicit`: only one with a match."""
        for fault in self._armed:
            if fault.moment is moment and fault.strikes(provider, text) and (fault.match or not explicit):
                return self._use(fault)
        return None

    def take_named(self, name: str, provider: str, text: str) -> bool:
        """Uses up one time of the fault `name`, if it is armed and strikes."""
        for fault in self._armed:
            if fault.name == name and fault.strikes(provider, text):
                self._use(fault)
                return True
        return False

    def take_delay(self, provider: str, text: str, *, explicit: bool = False) -> float:
        """Seconds that a `slow` fault adds to this call; 0 without one."""
        fault = self.take(Moment.PACE, provider, text, explicit=explicit)
        if fault is None:
            return 0.0
        return SLOW_SECONDS if fault.seconds is None else fault.seconds

    def _use(self, fault: Fault) -> Fault:
        if fault.times_left is not None:
            fault.times_left -= 1
            if fault.times_left <= 0:
                self._armed.remove(fault)
        return fault
