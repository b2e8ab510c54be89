"""The providers' wire protocols on this machine, with real media and faults on request.

One HTTP server speaks them under `/{provider}` followed by the provider's own paths, so that the real
adapters run without keys or network. A request passes `calls` (recorded) -> `providers/{name}` (protocol) ->
`jobs` (queue) -> `studio` and `render/` (media) -> `files` (output URLs); `faults` strike along the way,
armed through `control`. Beside the providers stands the European Central Bank with its `reference_rates`.
`serving.served_sandbox()` serves it all for the length of a test.

A further provider is one file in `providers/` with a subclass of `Provider`, and one line in its registry.
"""
