"""POST /v1/callbacks/{provider}/{generation_id}/{token}: the door for providers' webhooks."""

from aws_lambda_powertools.event_handler import Response

from gateway import api, callbacks

app = api.resolver()
handler = api.serve(app)


@app.post("/v1/callbacks/<provider>/<generation_id>/<token>", include_in_schema=False)
def receive(provider: str, generation_id: str, token: str) -> Response[str]:
    """Take a provider's webhook; its content is verified, and only wakes the generation up."""
    event = app.current_event.raw_event
    body = (event.get("body") or "").encode()
    callbacks.receive(provider, generation_id, token, event.get("headers") or {}, body)
    return api.answer({"received": True})
