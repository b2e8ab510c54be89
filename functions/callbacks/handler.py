"""The doors for providers' webhooks.

POST /v1/callbacks/{provider}/{generation_id}/{token} is a generation's own; POST /v1/callbacks/{provider} is for
providers that call back an account, whatever the job.
"""

from collections.abc import Mapping

from aws_lambda_powertools.event_handler import Response

from gateway import api, callbacks

app = api.resolver()
handler = api.serve(app)


@app.post("/v1/callbacks/<provider>/<generation_id>/<token>", include_in_schema=False)
def receive(provider: str, generation_id: str, token: str) -> Response[str]:
    """Take a provider's webhook; its content is verified, and only wakes the generation up."""
    callbacks.receive(provider, generation_id, token, *_told())
    return api.answer({"received": True})


@app.post("/v1/callbacks/<provider>", include_in_schema=False)
def receive_of_account(provider: str) -> Response[str]:
    """Take a webhook that names the provider's job; it is verified, and only wakes that job's generation up."""
    callbacks.receive_of_account(provider, *_told())
    return api.answer({"received": True})


def _told() -> tuple[Mapping[str, str], bytes]:
    """The headers and the body, as they were signed."""
    event = app.current_event.raw_event
    return event.get("headers") or {}, (event.get("body") or "").encode()
