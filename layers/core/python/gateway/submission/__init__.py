"""Submitting: what an order is and costs, and accepting it.

    orders       find the model, hold the inputs to its limits, price them
    freezing     an accepted order as it is stored
    accepting    hold the price and insert the generation, in one transaction
    batches      many orders at once: one transaction holds for all, each is accepted or refused on its own

Nothing is started here. The inserted generation is itself the order: the jobs table's stream starts its
execution, and the reconciler starts what the stream missed.
"""

from gateway.submission.accepting import accepted, submit
from gateway.submission.batches import BATCH_MAX, Outcome, batch_view, submit_batch
from gateway.submission.orders import Order, Priced, estimate, terms_of

__all__ = [
    "BATCH_MAX", "Order", "Outcome", "Priced", "accepted", "batch_view", "estimate", "submit", "submit_batch",
    "terms_of",
]  # fmt: skip
