"""Submitting: what an order is and costs, and accepting it.

    orders       find the model, hold the inputs to its limits, price them
    freezing     an accepted order as it is stored
    accepting    hold the price and insert the generation, in one transaction
    batches      many orders at once: one transaction holds for all, each is accepted or refused on its own; loaded by
                 the one route that needs it

Nothing is started here. The inserted generation is itself the order: the jobs table's stream starts its
execution, and the reconciler starts what the stream missed.
"""

from gateway.submission.accepting import accepted, submit
from gateway.submission.orders import BATCH_MAX, Order, Priced, estimate, terms_of

__all__ = ["BATCH_MAX", "Order", "Priced", "accepted", "estimate", "submit", "terms_of"]
