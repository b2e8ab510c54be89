"""Submitting: what an order is and costs, and accepting it.

    orders       what is asked for: a named model, or what whatever model serves it must be able to do
    fitting      one model held against an order: limits, media, price
    choosing     every offer that could serve it, ranked; the best is quoted, those that may follow it are kept
    freezing     an accepted order as it is stored
    accepting    hold the price and insert the generation, in one transaction
    batches      many orders at once: one transaction holds for all, each is accepted or refused on its own; loaded by
                 the one route that needs it

Nothing is started here. The inserted generation is itself the order: the jobs table's stream starts its
execution, and the reconciler starts what the stream missed.
"""

from gateway.submission.accepting import accepted, submit
from gateway.submission.choosing import Priced, choose, estimate
from gateway.submission.orders import BATCH_MAX, Order

__all__ = ["BATCH_MAX", "Order", "Priced", "accepted", "choose", "estimate", "submit"]
