"""The domain of Museway: what a call costs, who pays, and how it reaches a provider.

Reading order, top down; imports point the same way and the linter holds them to it:

    api                                               HTTP edge; the only module that knows API Gateway
    submission, advance, closing, reconcile, views    use cases, where concepts meet
    auth, catalog, jobs, ledger, drive, providers,
    webhooks, sources                                 concepts; siblings do not import each other
    pricing, limits, templates, provider              pure: no I/O, no clock, no environment
    tables, transport, url_guard, media               the stores, the network, the bytes
    money, config, telemetry, errors, ids, aws        the ground floor
"""
