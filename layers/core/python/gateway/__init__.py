"""The domain of Museway: what a call costs, who pays, and how it reaches a provider.

Reading order, top down; imports point the same way and the linter holds them to it:

    api                                          HTTP edge; the only package that knows API Gateway
    submission, reconcile, views, catalog_views,
    reports, downloads, daily_exports,
    operator, callbacks                          use cases: where concepts meet
    alerts, audit, margins                       over a project's money: what it must be told, whether it adds up
    closing > advance > outputs                  one generation's steps: settle or release, submit and poll, collect
    keys, projects, provider_keys                what an account is made of: API keys, settings, keys elsewhere
    auth, catalog, durations, fx, health, jobs,
    ledger, drive, archive, sources, providers   concepts; siblings do not import each other
    tables, media, url_guard, events > transport the stores, the bytes, the bus, the network
    pricing, limits, routing, templates,
    provider, probe, exports > breaker >
    conditions, histograms,
    listings, nondelivery                        pure: no I/O, no clock, no environment
    money, config, telemetry, ids, aws,
    cloudformation, spending, errors             the ground floor
"""
