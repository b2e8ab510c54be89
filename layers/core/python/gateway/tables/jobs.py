"""The jobs table: `GENERATION#<id> / GENERATION`, `ORDER` or `ATTEMPT#nnn`; `PROVIDER#<name> / SIGNING_KEY`, and
`REFERENCE#<provider>#<job> / REFERENCE`.

What changes is small and what is large never changes: a write costs by the size of its item, so what a generation
was accepted as stands in its order, and what came of it on the attempt that delivered.
"""

from collections.abc import Iterable
from typing import Any, Self

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from gateway.tables.items import Item, TableNamed, page
from gateway.tables.packed import PackedJSONAttribute


class ByProject(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Generations of a project, newest last."""

    class Meta:
        index_name = "by_project"
        projection = AllProjection()

    project_id = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class OpenWork(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """What somebody must look at, at a time: sparse, because `work` is removed when nothing is left to do."""

    class Meta:
        index_name = "open_work"
        projection = KeysOnlyProjection()

    work = UnicodeAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)


class Generation(Item):
    """One call to one model: where it stands, and how it ended."""

    class Meta(metaclass=TableNamed):
        setting = "jobs_table"

    generation_id = UnicodeAttribute()
    project_id = UnicodeAttribute()
    key_id = UnicodeAttribute()
    session_id = UnicodeAttribute(null=True)
    request_id = UnicodeAttribute()
    model = UnicodeAttribute()
    kind = UnicodeAttribute()
    status = UnicodeAttribute()
    metadata = JSONAttribute(null=True)
    warnings = JSONAttribute(null=True)
    held_micros = NumberAttribute()
    estimated_time_seconds = NumberAttribute()
    await_seconds = NumberAttribute()
    deadline_at = NumberAttribute()
    attempt_no = NumberAttribute(default=0)
    restart_no = NumberAttribute(default=0)
    reconcile_failures = NumberAttribute(null=True)
    progress = NumberAttribute(default=0)
    billed_micros = NumberAttribute(null=True)
    delivered_model = UnicodeAttribute(null=True)
    """Where it is another than the one that was chosen."""
    error = JSONAttribute(null=True)
    created_at = UnicodeAttribute()
    completed_at = UnicodeAttribute(null=True)
    listed_at = UnicodeAttribute()
    work = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)

    by_project = ByProject()
    open_work = OpenWork()

    @classmethod
    def find(cls, generation_id: str) -> Self | None:
        """The generation of an id."""
        return cls.find_at(f"GENERATION#{generation_id}", "GENERATION")

    @classmethod
    def key(cls, generation_id: str) -> Self:
        """The (unread) generation of an id, for a condition on it."""
        return cls(f"GENERATION#{generation_id}", "GENERATION")

    @classmethod
    def find_all(cls, generation_ids: Iterable[str]) -> list[Self]:
        """Those of the generations that are there, in no order."""
        return cls.find_many([(f"GENERATION#{one}", "GENERATION") for one in generation_ids])

    @classmethod
    def page_of_project(cls, project_id: str, limit: int, cursor: str | None) -> tuple[list[Self], str | None]:
        """A page of a project's generations, newest first, and the next page's cursor."""
        return page(cls.by_project, [project_id], limit, cursor)

    @classmethod
    def due(cls, work: str, until_seconds: float, limit: int) -> list[str]:
        """Ids of generations that want attention by a time, longest due first."""
        found = cls.open_work.query(work, cls.due_at <= until_seconds, limit=limit)
        return [item.pk.removeprefix("GENERATION#") for item in found]


class Order(Item):
    """What a generation was accepted as, frozen: who may serve it and with which requests, at what price."""

    class Meta(metaclass=TableNamed):
        setting = "jobs_table"

    fingerprint = PackedJSONAttribute()
    offers = PackedJSONAttribute()
    quote = PackedJSONAttribute()
    routing = PackedJSONAttribute(null=True)
    """Why it is these offers; not there where there was nothing to choose from."""
    fx = JSONAttribute(null=True)
    output_path = UnicodeAttribute(null=True)
    output_url_path = UnicodeAttribute(null=True)

    @classmethod
    def find(cls, generation_id: str) -> Self | None:
        """The order of a generation."""
        return cls.find_at(f"GENERATION#{generation_id}", "ORDER")


class SigningKey(Item):
    """What a provider signs its webhooks with, noted by whoever may read API keys for whoever may not.

    It opens nothing: it tells the provider's calls from a stranger's, who would need an attempt's own token besides.
    """

    class Meta(metaclass=TableNamed):
        setting = "jobs_table"

    key = UnicodeAttribute()

    @classmethod
    def of(cls, provider: str) -> Self | None:
        """A provider's key, if it was noted."""
        return cls.find_at(f"PROVIDER#{provider}", "SIGNING_KEY")

    @classmethod
    def note(cls, provider: str, key: str) -> None:
        """Keep a provider's key for the functions that verify its webhooks."""
        cls(f"PROVIDER#{provider}", "SIGNING_KEY", key=key).save()


class JobReference(Item):
    """The attempt behind a provider's job, for callbacks that name nothing else.

    Written when the job is accepted, or before that by a callback which was faster.
    """

    class Meta(metaclass=TableNamed):
        setting = "jobs_table"

    generation_id = UnicodeAttribute(null=True)
    attempt_no = NumberAttribute(null=True)
    called_at = UnicodeAttribute(null=True)

    @classmethod
    def key(cls, provider: str, job_id: str) -> Self:
        """The (unread) reference of a job."""
        return cls(f"REFERENCE#{provider}#{job_id}", "REFERENCE")

    @classmethod
    def find(cls, provider: str, job_id: str) -> Self | None:
        """What is known of a job."""
        return cls.find_at(f"REFERENCE#{provider}#{job_id}", "REFERENCE")


class Attempt(Item):
    """One submission of a generation to one offer, written before the POST."""

    class Meta(metaclass=TableNamed):
        setting = "jobs_table"

    generation_id = UnicodeAttribute()
    attempt_no = NumberAttribute()
    provider = UnicodeAttribute()
    offer_id = UnicodeAttribute()
    own_key_of = UnicodeAttribute(null=True)
    """The project with whose own key it is made; none: with the deployment's."""
    model = UnicodeAttribute(null=True)
    """Where it is another than the generation's."""
    status = UnicodeAttribute()
    callback_sha256 = UnicodeAttribute()
    task_token = UnicodeAttribute(null=True)
    reference = JSONAttribute(null=True)
    signalled_at = UnicodeAttribute(null=True)
    staged = JSONAttribute(null=True)
    metrics = JSONAttribute(null=True)
    usage = JSONAttribute(null=True)
    cost_usd = UnicodeAttribute(null=True)
    outputs = JSONAttribute(null=True)
    error = JSONAttribute(null=True)
    started_at = UnicodeAttribute()
    accepted_at = UnicodeAttribute(null=True)
    finished_at = UnicodeAttribute(null=True)
    ended_at = UnicodeAttribute(null=True)

    @classmethod
    def find(cls, generation_id: str, attempt_no: int) -> Self | None:
        """One attempt of a generation."""
        return cls.find_at(f"GENERATION#{generation_id}", f"ATTEMPT#{attempt_no:03}")

    @classmethod
    def last_of(cls, generations: Iterable[Generation]) -> dict[str, Self]:
        """The present attempt of each generation that has one, by the generation's id."""
        keys = [(one.pk, f"ATTEMPT#{int(one.attempt_no):03}") for one in generations if one.attempt_no]
        return {attempt.generation_id: attempt for attempt in cls.find_many(keys)}

    @classmethod
    def all_of(cls, generation_id: str) -> list[Self]:
        """Every attempt of a generation, first to last."""
        key = f"GENERATION#{generation_id}"
        return list(cls.query(key, cls.sk.startswith("ATTEMPT#"), consistent_read=True))
