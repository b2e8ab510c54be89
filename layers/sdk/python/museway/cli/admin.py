"""The operator's commands. They invoke the admin function with AWS credentials; API keys do not reach it."""

import json
from typing import Annotated, Any
from uuid import uuid4

import typer

from museway._wire import require
from museway.cli._context import local_system
from museway.cli._inputs import exact_micros, invalid_argument, parse_names
from museway.cli._output import money, say_json, say_pairs
from museway.cli.keys import show_new_key
from museway.errors import ConnectionFailed, MusewayError, NotConfigured, ServerError

MICROS_PER_CREDIT = 10_000
DEFAULT_STAGE = "prod"
ANSWER_SECONDS_MAX = 310
"""The function may take 300: an audit reads every entry of a project."""
# What the local AWS emulator takes for its root user; the person's own credentials never go there.
_EMULATOR_ROOT = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

Stage = Annotated[
    str | None,
    typer.Option(help="The deployed stage. Default: the local system where one runs, else prod.", metavar="STAGE"),
]
ProjectId = Annotated[str, typer.Argument(metavar="PROJECT_ID")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int | None, typer.Option(min=0, metavar="N", help="The most it may spend in that time (UTC).")]

project = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@project.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Create a project, without credits or keys."""
    answer = invoke(stage, {"action": "project.create", "name": name})
    show(answer, [("project", answer.get("project_id")), ("name", answer.get("name"))], as_json=as_json)


@project.command("grant")
def grant(
    project_id: ProjectId,
    credit_amount: Annotated[str | None, typer.Option("--credits", metavar="N", help="1 credit is 1 US cent.")] = None,
    micros: Annotated[
        int | None, typer.Option("--micros", min=1, metavar="N", help="1,000,000 micros are 1 US dollar.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Why; kept in the ledger.")] = None,
    grant_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Repeat a grant that got no answer; it counts once.")
    ] = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Give a project credits: exactly one of --credits and --micros."""
    amount_micros = _amount_micros(credit_amount, micros)
    identity = grant_id or str(uuid4())
    payload = {"project_id": project_id, "amount_micros": amount_micros, "note": note, "grant_id": identity}
    try:
        answer = invoke(stage, {"action": "project.grant", **payload})
    except (ConnectionFailed, ServerError) as error:
        # Whether it was granted is not known, so the same grant is repeated, never a second one made.
        error.hint = f"Repeat with --grant-id {identity}, which cannot grant twice. {error.hint}".strip()
        raise
    pairs = [
        ("granted", money(require(answer, "amount_micros", int))),
        ("available", money(require(answer, "available_micros", int))),
        ("project", answer.get("project_id")),
    ]
    show(answer, pairs, as_json=as_json)


@project.command("key")
def key(
    project_id: ProjectId,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "default",
    scopes: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="What it may do, or all. Default: generate,read,billing:read,files:write"),
    ] = None,
    expires_at: Annotated[str | None, typer.Option(metavar="TIME", help="An ISO 8601 time; default: never.")] = None,
    day_micros: Limit = None,
    month_micros: Limit = None,
    total_micros: Limit = None,
    revoke: Annotated[str | None, typer.Option(metavar="KEY_ID", help="Revoke this key instead.")] = None,
    stage: Stage = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key, which is shown this once, or revoke one."""
    if revoke is not None:
        payload = {"action": "project.key.revoke", "project_id": project_id, "key_id": revoke}
        answer = invoke(stage, payload)
        show(answer, [("key", answer.get("key_id")), ("revoked", answer.get("revoked_at"))], as_json=as_json)
        return
    limits = {"day_micros": day_micros, "month_micros": month_micros, "total_micros": total_micros}
    optional = {
        "scopes": scopes if scopes == "all" else parse_names(scopes),
        "expires_at": expires_at,
        "spending_limit": {part: micros for part, micros in limits.items() if micros is not None} or None,
    }
    given = {field: value for field, value in optional.items() if value is not None}
    show_new_key(invoke(stage, {"action": "project.key", "project_id": project_id, "name": name, **given}), as_json)


def _amount_micros(credit_amount: str | None, micros: int | None) -> int:
    if (credit_amount is None) == (micros is None):
        raise invalid_argument(
            "A grant needs exactly one of --credits and --micros.",
            hint="Write: museway admin project grant PROJECT_ID --credits 1000",
        )
    if micros is not None:
        return micros
    amount_micros = exact_micros(str(credit_amount), MICROS_PER_CREDIT)
    if not amount_micros:
        raise invalid_argument(
            f"{credit_amount!r} is not an amount of credits.",
            hint="Give a number above 0 with at most four decimals, such as 67.2.",
            field="credits",
        )
    return amount_micros


def show(answer: dict[str, Any], pairs: list[tuple[str, object]], *, as_json: bool) -> None:
    """Print an answer for people, or as it is."""
    say_json(answer) if as_json else say_pairs(pairs)


def invoke(stage: str | None, payload: dict[str, Any]) -> dict[str, Any]:
    """The admin function's answer. Raises MusewayError for its refusals and for AWS's own."""
    client, function_name = _lambda_client(stage)
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        response = client.invoke(FunctionName=function_name, Payload=json.dumps(payload).encode())
        content = json.loads(response["Payload"].read())
    except ClientError as error:
        reason = error.response.get("Error", {})
        raise MusewayError(
            f"AWS refused to invoke {function_name}: {reason.get('Message', error)}",
            code=str(reason.get("Code", "aws_refused")),
            hint="Check the AWS credentials, the region and the stage.",
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise ConnectionFailed(
            f"{function_name} gave no usable answer: {error}",
            code="connection_failed",
            hint="Check the AWS credentials, the region and the stage.",
        ) from None
    if response.get("FunctionError") or not isinstance(content, dict):
        raise ServerError(f"{function_name} failed.", code="internal_error", hint="Its log group says why.")
    if "error" in content:
        raise MusewayError(
            str(content.get("message", "The admin function refused.")),
            code=str(content["error"]),
            hint=str(content.get("hint", "")),
            fields={name: value for name, value in content.items() if name not in {"message", "hint"}},
        )
    return content


def _lambda_client(stage: str | None) -> tuple[Any, str]:
    """A Lambda client and the admin function's name: the local system's, unless a stage is named."""
    try:
        import boto3
    except ModuleNotFoundError:
        raise NotConfigured(
            "The admin commands speak to AWS and need boto3.",
            code="boto3_missing",
            hint="pip install boto3",
        ) from None
    from botocore.config import Config

    config = Config(read_timeout=ANSWER_SECONDS_MAX)
    local = local_system() if stage is None else None
    if local is None or not local.content.get("aws_endpoint_url"):
        return boto3.client("lambda", config=config), f"museway-{stage or DEFAULT_STAGE}-admin"
    content = local.content
    client = boto3.client(
        "lambda",
        config=config,
        endpoint_url=content["aws_endpoint_url"],
        region_name=content.get("region") or "us-east-1",
        **_EMULATOR_ROOT,
    )
    return client, content.get("admin_function") or f"museway-{content.get('stage') or 'local'}-admin"
