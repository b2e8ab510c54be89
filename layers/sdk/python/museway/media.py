"""`from museway import media`: the calls of one default client.

`media.run(...)`, `media.submit(...)`, `media.batch(...)`, `media.cancel(...)`, `media.estimate(...)`,
`media.route(...)`, `media.routers(...)`, `media.modes(...)`, `media.models(...)`, `media.model(...)`,
`media.upload(...)`, `media.download(...)`; `await media.arun(...)` and `await media.asubmit(...)`. They are the methods
of `museway.Client` and `museway.AsyncClient`, documented there. The default clients read `MUSEWAY_URL` and
`MUSEWAY_API_KEY` at the first call and open their connections then.
"""

from museway.client import AsyncClient, Client

__all__ = [
    "arun", "asubmit", "batch", "cancel", "download", "estimate", "generation", "model", "models", "modes", "route",
    "routers", "run", "submit", "upload",
]  # fmt: skip

_client = Client()
_async_client = AsyncClient()

run = _client.run
submit = _client.submit
batch = _client.batch
cancel = _client.cancel
generation = _client.generation
estimate = _client.estimate
route = _client.route
routers = _client.routers
modes = _client.modes
models = _client.models
model = _client.model
upload = _client.upload
download = _client.download

arun = _async_client.run
asubmit = _async_client.submit
