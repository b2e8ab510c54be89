"""The four tables as PynamoDB models, and the one way to write to several of them at once.

Nothing outside this package imports pynamodb. Writes that belong together go through `transaction()`;
its commit says which labelled condition failed, so that callers can tell *already done* from *lost a race*.
"""

from gateway.tables.catalog import CatalogChunk, CatalogHead, CatalogProviders, CatalogVersion
from gateway.tables.durations import DurationCount
from gateway.tables.fx import ReferenceRates
from gateway.tables.health import HealthSnapshot, OutcomeCount
from gateway.tables.items import Item, connection, listed, page, unchanged
from gateway.tables.jobs import Attempt, Generation, JobReference, Order
from gateway.tables.ledger import Balance, Entry, Hold, Record, Spending
from gateway.tables.projects import ApiKey, ListedKey, Project, ProviderKey, Router, RouterRequest, RouterVersion
from gateway.tables.transactions import ConditionFailed, Transaction, transaction

__all__ = [
    "ApiKey",
    "Attempt",
    "Balance",
    "CatalogChunk",
    "CatalogHead",
    "CatalogProviders",
    "CatalogVersion",
    "ConditionFailed",
    "DurationCount",
    "Entry",
    "Generation",
    "HealthSnapshot",
    "Hold",
    "Item",
    "JobReference",
    "ListedKey",
    "Order",
    "OutcomeCount",
    "Project",
    "ProviderKey",
    "Record",
    "ReferenceRates",
    "Router",
    "RouterRequest",
    "RouterVersion",
    "Spending",
    "Transaction",
    "connection",
    "listed",
    "page",
    "transaction",
    "unchanged",
]
