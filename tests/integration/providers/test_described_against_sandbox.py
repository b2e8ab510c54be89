"""Providers that are only described, over HTTP against the sandbox: every fault ends in the outcome of the port."""

from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from gateway import sources
from gateway.errors import SourceRefused
from gateway.provider import Accepted, Failed, Finished, ForgedWebhook, Refused, Running, Submission, Uncertain
from infra.sandbox.addresses import base_urls
from infra.sandbox.render.image import ImageOrder
from tests.integration.providers.test_against_sandbox import ended, fetched
from tests.integration.sandbox.support import until
from tests.unit.gateway.loopback import answer, serving
from tests.unit.gateway.shipped import COMPILED

VIDEO = {"model_name": "kling-v3", "mode": "std", "sound": "on", "prompt": "a red bicycle", "duration": "3"}
SUBMISSIONS = {
    "kie": Submission("", "google/nano-banana", {"prompt": "a red bicycle", "image_size": "1:1"}, None, 5),
    "kling": Submission("", "videos/text2video", VIDEO, None, 5),
    "wavespeed": Submission("", "google/nano-banana-pro/text-to-image", {"prompt": "a red bicycle"}, None, 5),
}
WRONG = {"kie": {"image_size": "7:1"}, "kling": {"duration": "16"}, "wavespeed": {"resolution": "8k"}}
FROM_A_PICTURE = {
    "kie": ("google/nano-banana-edit", lambda url: {"image_urls": [url]}),
    "kling": ("videos/image2video", lambda url: {"image": url}),
    "wavespeed": ("google/nano-banana-pro/edit", lambda url: {"images": [url]}),
}
SIGNED = ["kie", "wavespeed"]


@pytest.fixture(params=SUBMISSIONS)
def name(request):
    return request.param


@pytest.fixture
def adapter(at_sandbox, name):
    return at_sandbox(name)


@pytest.fixture
def submission(name):
    return replace(SUBMISSIONS[name], attempt_id=str(uuid4()))


def called_back(webhooks, submission, **changes):
    return replace(submission, webhook_url=f"{webhooks.url}/callback", **changes)


def job_id(reference):
    """The id of the job, which is the first thing that any reference has besides the endpoint."""
    return next(one for key, one in reference.items() if key != "endpoint")


def test_delivered_by_poll(adapter, submission, control, name, tmp_path):
    accepted = adapter.submit(submission)
    assert isinstance(accepted, Accepted)
    assert accepted.reference["endpoint"] == submission.endpoint
    outcome = ended(adapter, accepted.reference)
    (output,) = outcome.outputs
    facts = fetched(output, tmp_path)
    if name == "kling":
        assert (facts.kind, facts.width, facts.height, facts.has_audio) == ("video", 1280, 720, True)
        assert facts.duration_seconds == pytest.approx(3, abs=0.05)
        assert outcome.cost_usd == "0.336", "3 s of 0.8 units at $0.14"
    else:
        assert (facts.kind, facts.width, facts.height) == ("image", 1024, 1024)
        assert outcome.cost_usd is None
    assert control.paid() == 1


def test_a_webhook_wakes(adapter, submission, webhooks, name):
    accepted = adapter.submit(called_back(webhooks, submission))
    (received,) = webhooks.wait_for(1)
    told = adapter.webhook_reference(received.headers, received.body)
    assert {"endpoint": submission.endpoint, **told} == accepted.reference
    outcome = ended(adapter, {"endpoint": submission.endpoint, **told})
    assert len(outcome.outputs) == 1


@pytest.mark.parametrize("name", SIGNED, indirect=True)
def test_a_forged_webhook(adapter, submission, control, webhooks, name):
    control.arm("forged_webhook", name)
    accepted = adapter.submit(called_back(webhooks, submission))
    forged, true = webhooks.wait_for(2)
    with pytest.raises(ForgedWebhook):
        adapter.webhook_reference(forged.headers, forged.body)
    assert adapter.webhook_reference(true.headers, true.body)
    signature = next(header for header in true.headers if header.endswith("webhook-signature"))
    with pytest.raises(ForgedWebhook):
        adapter.webhook_reference({**true.headers, signature: ""}, true.body)
    with pytest.raises(ForgedWebhook):
        adapter.webhook_reference(true.headers, true.body.replace(job_id(accepted.reference).encode(), b"another"))


@pytest.mark.parametrize("fault", ["accept_then_timeout", "bad_json"])
def test_an_accepted_job_whose_answer_was_lost(adapter, submission, control, webhooks, name, fault):
    control.arm(fault, name)
    outcome = adapter.submit(called_back(webhooks, submission, timeout_seconds=0.5))
    assert isinstance(outcome, Uncertain)
    (received,) = webhooks.wait_for(1)
    told = adapter.webhook_reference(received.headers, received.body)
    assert len(ended(adapter, {"endpoint": submission.endpoint, **told}).outputs) == 1
    assert control.paid() == len(control.calls(method="POST")) == 1


@pytest.mark.parametrize("fault", ["accept_then_timeout", "bad_json"])
@pytest.mark.parametrize("name", ["kling"], indirect=True)
def test_an_accepted_job_whose_answer_was_lost_is_found_by_our_own_id(adapter, submission, control, name, fault):
    control.arm(fault, name)
    assert adapter.find(submission.attempt_id, submission.endpoint) == {}
    assert isinstance(adapter.submit(replace(submission, timeout_seconds=0.5)), Uncertain)
    reference = adapter.find(submission.attempt_id, submission.endpoint)
    assert len(ended(adapter, reference).outputs) == 1
    assert adapter.find(submission.attempt_id, "videos/image2video") == {}
    assert control.paid() == len(control.calls(method="POST")) == 1


@pytest.mark.parametrize("name", ["kie", "wavespeed"], indirect=True)
def test_who_knows_no_ids_of_ours_is_not_asked(adapter, submission, control):
    assert adapter.find(submission.attempt_id, submission.endpoint) == {}
    assert control.calls() == []


@pytest.mark.parametrize(("fault", "code"), [("refuse", "provider_auth"), ("rate_limit", "rate_limited")])
def test_refused(adapter, submission, control, name, fault, code):
    control.arm(fault, name)
    outcome = adapter.submit(submission)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == (code, True, 0)


def test_a_server_error_on_submit_proves_nothing(adapter, submission, control, name):
    control.arm("server_error", name)
    assert isinstance(adapter.submit(submission), Uncertain)
    assert len(control.calls(method="POST")) == 1


def test_invalid_inputs(adapter, submission, control, name):
    outcome = adapter.submit(replace(submission, body={**submission.body, **WRONG[name]}))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable, control.paid()) == ("invalid_inputs", False, 0)
    assert next(iter(WRONG[name])) in outcome.message


def test_an_unknown_model(adapter, submission):
    outcome = adapter.submit(replace(submission, endpoint="nobody/nothing"))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.retryable) == ("provider_unavailable", True)


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [("fail_after_accept", "provider_error", True), ("filtered", "moderated_output", False)],
)
def test_failed(adapter, submission, control, name, fault, code, retryable):
    """Where HTTP says 200, as where it does not."""
    control.arm(fault, name)
    outcome = ended(adapter, adapter.submit(submission).reference)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (code, retryable)
    assert {call["status"] for call in control.calls()} == {200}


def test_nothing_made(adapter, submission, control, name):
    control.arm("empty_output", name)
    outcome = ended(adapter, adapter.submit(submission).reference)
    assert isinstance(outcome, Finished)
    assert outcome.outputs == ()


def test_from_a_picture(adapter, submission, name, tmp_path):
    endpoint, given = FROM_A_PICTURE[name]
    picture = answer(ImageOrder("a fox", 360, 640, "png").render().content, content_type="image/png")
    with serving(lambda _path, connection: connection.sendall(picture)) as server:
        body = {**submission.body, **given(server.url()), **({"image_size": "auto"} if name == "kie" else {})}
        outcome = ended(adapter, adapter.submit(replace(submission, endpoint=endpoint, body=body)).reference)
    facts = fetched(outcome.outputs[0], tmp_path)
    assert facts.height > facts.width


def test_a_source_that_cannot_be_fetched(adapter, submission, control, name):
    endpoint, given = FROM_A_PICTURE[name]
    body = {**submission.body, **given(f"{control.url}/files/gone.png")}
    outcome = ended(adapter, adapter.submit(replace(submission, endpoint=endpoint, body=body)).reference)
    assert isinstance(outcome, Failed)
    assert outcome.code == ("invalid_inputs" if name == "kie" else "provider_error")


def test_one_that_never_finishes_runs_on(adapter, submission, control, name):
    control.arm("never_finish", name)
    reference = adapter.submit(submission).reference
    until(lambda: control.job_by_id(job_id(reference))["state"] == "running", "the job runs")
    assert isinstance(adapter.poll(reference), Running)
    assert adapter.cancel(reference) is False, "none of them can cancel"


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "bad_json"])
def test_a_stumbling_poll_is_asked_again(adapter, submission, control, name, fault):
    reference = adapter.submit(submission).reference
    control.arm(fault, name, match=job_id(reference) if name != "kie" else "/jobs/recordInfo")
    assert isinstance(adapter.poll(reference), Uncertain)
    assert len(ended(adapter, reference).outputs) == 1


def test_an_unknown_job(adapter, submission):
    reference = {**adapter.submit(submission).reference}
    for key in reference.keys() - {"endpoint"}:
        reference[key] = "nobody"
    outcome = adapter.poll(reference)
    assert isinstance(outcome, Failed)
    assert outcome.code == "provider_lost"


@pytest.mark.parametrize(
    ("fault", "code"),
    [("expired_output_url", "source_unreachable"), ("huge_output", "source_too_large")],
)
def test_outputs_that_cannot_be_fetched(adapter, submission, control, tmp_path, name, fault, code):
    control.arm(fault, name)
    outcome = ended(adapter, adapter.submit(submission).reference)
    with pytest.raises(SourceRefused) as raised:
        fetched(outcome.outputs[0], tmp_path)
    assert raised.value.error_code == code


def test_an_output_is_a_source(adapter, submission):
    outputs = ended(adapter, adapter.submit(submission).reference).outputs
    assert sources.probe_sources([one.url for one in outputs], "source_media_urls")


def test_a_task_of_one_kind_is_unknown_under_another(at_sandbox):
    kling = at_sandbox("kling")
    reference = kling.submit(replace(SUBMISSIONS["kling"], attempt_id=str(uuid4()))).reference
    outcome = kling.poll({**reference, "endpoint": "videos/image2video"})
    assert isinstance(outcome, Failed)
    assert outcome.code == "provider_lost"


def test_klings_own_account_of_ours(at_sandbox, control):
    """The attempt's id is Kling's key of it: what was sent twice would be made once."""
    kling, submission = at_sandbox("kling"), replace(SUBMISSIONS["kling"], attempt_id=str(uuid4()))
    assert isinstance(kling.submit(submission), Accepted)
    again = kling.submit(submission)
    assert isinstance(again, Refused)
    assert control.paid() == 1


@pytest.mark.parametrize("authorization", [None, "Bearer key"])
def test_the_check_of_a_key(name, sandbox_url, authorization):
    check = COMPILED["providers"][name]["check"]
    headers = {"authorization": authorization} if authorization else {}
    url = base_urls(sandbox_url, [name])[name] + check["path"]
    answered = httpx.get(url, params=check.get("query"), headers=headers)
    told = answered.json()["code"]
    assert (told in {0, 200}) is (authorization is not None)
