"""The scenarios that must hold, and where each is injected. `make chaos` prints them with what came of them."""

from dataclasses import dataclass

EVERYWHERE = "*"
"""Every path."""
ENGINE = "engine"


@dataclass(frozen=True)
class Scenario:
    """One thing that goes wrong."""

    number: str
    injected: str
    holds: str
    paths: tuple[str, ...] = ()
    """Paths of `stories.PATHS` that inject it; `EVERYWHERE`, `ENGINE` for what Hypothesis draws."""
    kinds: tuple[str, ...] = ()
    """Beginnings of the kinds of fault that are it; none where the path itself is it."""
    tests: tuple[str, ...] = ()
    """Tests that inject it, as `file::name` or `file`, below `tests/`."""
    not_built: str | None = None
    """Why it cannot happen yet."""


FAL, FAULTS = "unit/gateway/test_providers_fal.py", "e2e/test_faults.py"
SCENARIOS = (
    Scenario("1", "the process dies before the hold is taken", "nothing exists; the repeat works",
             (EVERYWHERE,), ("crash_before", "error_before")),
    Scenario("2", "the hold is taken, the answer is lost, the client repeats its key", "the same job, one hold",
             (EVERYWHERE,), ("crash_after", "error_after"),
             ("integration/test_idempotency.py::test_a_submit_whose_answer_was_lost_is_found_again_by_its_repeat",)),
    Scenario("3", "the same key is submitted between any two calls of a submit", "one job, one hold",
             ("delivered", "delivered at once", "levelled"), ("rival:submit",)),
    Scenario("4", "the same key with another body", "422 that names the fields, nothing changed",
             (ENGINE,), (), ("integration/test_idempotency.py",)),
    Scenario("5", "200 submits at once, credits for 50", "exactly 50 holds", ("credits for two of three",), (),
             ("e2e/test_concurrency.py::test_exactly_as_many_as_the_credits_cover_are_accepted",)),
    Scenario("6", "TransactionConflict at every transaction: a few, and more than are repeated",
             "success, or a clean 503 and no hold",
             (EVERYWHERE, ENGINE), ("conflict",)),
    Scenario("7", "the stream's record is lost", "the reconciler starts it, once", (ENGINE,), (),
             ("integration/test_reconciler.py",)),
    Scenario("8", "an execution is started twice, or two run one generation", "one attempt, one charge",
             (EVERYWHERE, ENGINE), ("rival:execution", "repeated")),
    Scenario("9", "the process dies between the attempt's write and the POST", "never sent again, waited out",
             (EVERYWHERE,), ("crash_after",)),
    Scenario("10", "the provider accepts and the answer is lost; the webhook names the job", "delivered, paid once",
             ("answer lost",)),
    Scenario("11", "the same, and nothing names the job", "uncertain; no other offer is tried",
             ("no fallback while it may run", "no other model while it may run")),
    Scenario("12", "the same, never heard of again", "released after the deadline, one attempt",
             ("answer lost, webhook lost",), (), (FAULTS,)),
    Scenario("13", "the provider answers 429 with Retry-After, then 503", "one chain of attempts within its budget",
             ("fallback after a refusal", "fallback across models"), (), (FAL,)),
    Scenario("14", "the provider refuses the inputs", "no fallback, released whole, a typed reason",
             ("refused by the provider",)),
    Scenario("15", "the webhook comes before the submission's answer is stored", "the job completes",
             ("webhook before the answer",)),
    Scenario("16", "webhooks doubled, late and between any two calls", "one settlement",
             (EVERYWHERE, ENGINE), ("rival:webhooks",)),
    Scenario("17", "forged and replayed webhooks, another attempt's path", "401 or 404, nothing changed",
             (), (), ("integration/test_webhooks.py", FAL, FAULTS)),
    Scenario("18", "the webhook is lost", "found by polling", ("webhook lost",), (), (FAULTS,)),
    Scenario("19", "the provider says running, succeeded, running", "delivered once", ("status flaps",)),
    Scenario("20", "the process dies between the provider's success and the copy", "copied and settled later",
             (EVERYWHERE,), ("crash_before", "crash_after")),
    Scenario("21", "the output's URL has expired at the first copy", "fetched anew", ("output expired at first",)),
    Scenario("22", "the drive refuses, or takes, an output and says neither", "one object, all outputs kept",
             ("delivered", "three of four outputs"), ("error_before", "error_after")),
    Scenario("23", "settlement: crash around it, its answer lost, another settles at the same time", "one record",
             (EVERYWHERE,), ("crash_before", "crash_after", "error_after", "rival:settle", "rival:poll")),
    Scenario("24", "three of four outputs come", "three are billed, the rest returns", ("three of four outputs",)),
    Scenario("25", "price and exchange rate change between hold and settlement", "billed as it was quoted",
             ("price and rate change", ENGINE)),
    Scenario("26", "the provider counts more than was held for", "charged what was held, the rest is the operator's",
             ("usage above the hold",)),
    Scenario("27", "a cancellation between any two calls; a refund that is repeated", "one outcome",
             (EVERYWHERE, "cancelled while it runs", "cancelled too late", "refunded"),
             ("rival:cancel", "rival:refund")),
    Scenario("28", "a process stands still for twelve minutes while the reconciler looks; clocks 10 minutes apart",
             "no hold is released under a live attempt", (EVERYWHERE, ENGINE), ("rival:pause",)),
    Scenario("29", "throttling; shards level, grow and shrink under load; crashes inside", "sums equal, none negative",
             ("levelled", "resized", EVERYWHERE), ("throttle", "rival:resize", "rival:spender"),
             ("e2e/test_hot_account.py",)),
    Scenario("30", "a customer's webhook endpoint misbehaves", "", not_built="webhooks to customers"),
    Scenario("31", "the stream delivers late, in doubles, or a record fails again and again",
             "started and announced all the same", (ENGINE,), (), ("integration/test_reconciler.py",)),
    Scenario("32", "a new state machine is deployed in mid-flight", "", not_built="versions of the state machine"),
    Scenario("33", "a customer's provider key cannot be decrypted", "", not_built="customers' own provider keys"),
    Scenario("34", "a node of a workflow is tried again", "", not_built="workflows"),
    Scenario("35", "the process dies before and after every single call", "all of the above",
             (EVERYWHERE,), ("crash_before", "crash_after")),
    Scenario("36", "a limit is set, or the account is resized, while calls hold, settle and are refunded",
             "counters are what their holds came to", ("limited while held", "refunded", EVERYWHERE),
             ("rival:limit", "rival:resize")),
    Scenario("37", "a batch's caller dies between its holds and its generations", "repeated, or released",
             ("batch under a key", "batch without a key")),
)  # fmt: skip
