"""The HTTP edge: requests in, principals, errors out. The only package that knows API Gateway."""

import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from gateway import auth, telemetry
from gateway.config import settings
from gateway.errors import GatewayError, InvalidField, NotFound, PayloadTooLarge

BODY_BYTES_MAX = 1_000_000
JSON = "application/json"
TITLE = "Museway"
_UNION_MEMBER = re.compile(r"(str|int|float)$|list\[")

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def resolver() -> APIGatewayHttpResolver:
    """A resolver that validates requests and answers every failure in the contract's error format."""
    app = APIGatewayHttpResolver(enable_validation=True, json_body_deserializer=_parsed)
    app.exception_handler(GatewayError)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(Exception)(_unexpected)
    app.not_found(_no_route)
    return app


def serve(app: APIGatewayHttpResolver) -> Handler:
    """The Lambda entry of a resolver: ids in the logs, body limit, and the headers of every answer."""

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        started = time.perf_counter()
        request_id = event["requestContext"]["requestId"]
        telemetry.bind(request_id=request_id, project_id=_authorizer(event).get("project_id"))
        try:
            if "denied" in _authorizer(event):
                auth.from_context(_authorizer(event))  # says so before anything is read of the body
            answer = app.resolve(_readable(event), context)
        except GatewayError as error:
            answer = _plain(_body(error, request_id), error.status)
        finally:
            telemetry.forget()
        overhead_ms = (time.perf_counter() - started) * 1000
        answer.setdefault("headers", {}).update(
            {"x-request-id": request_id, "x-gateway-overhead-ms": f"{overhead_ms:.1f}"}
        )
        return answer

    return handler


def principal(app: APIGatewayHttpResolver, scope: str) -> auth.Principal:
    """Whom the request speaks for, having the scope. Raises Unauthorized or Forbidden."""
    found = auth.from_context(_authorizer(app.current_event.raw_event))
    found.require(scope)
    return found


def request_id(app: APIGatewayHttpResolver) -> str:
    """API Gateway's id of the request; it leads through every log line."""
    return str(app.current_event.raw_event["requestContext"]["requestId"])


def header(app: APIGatewayHttpResolver, name: str) -> str | None:
    """A request header, or None."""
    headers: Mapping[str, str] = app.current_event.raw_event.get("headers") or {}
    return headers.get(name.lower())


def path_parameter(app: APIGatewayHttpResolver, name: str) -> str:
    """A parameter of the route as the caller meant it: API Gateway decodes every escape but the percent sign's."""
    return str(app.current_event.raw_event["pathParameters"][name]).replace("%25", "%")


def idempotency_key(app: APIGatewayHttpResolver) -> str | None:
    """The request's Idempotency-Key, or None. Raises InvalidField for one that is none."""
    key = header(app, "idempotency-key")
    if key is not None and not 1 <= len(key) <= 255:
        raise InvalidField("Idempotency-Key must have 1 to 255 characters.", field="Idempotency-Key")
    return key


REPLAYED = {"Idempotent-Replayed": "true"}
"""Said of an answer that is the first to its Idempotency-Key, once more."""


def base_url(app: APIGatewayHttpResolver) -> str:
    """Where the caller reached us, for links in answers."""
    domain = app.current_event.raw_event["requestContext"].get("domainName", "")
    return settings().public_url or f"https://{domain}"


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response[str]:
    """A JSON answer."""
    return Response(status, JSON, json.dumps(body, ensure_ascii=False, default=str), headers=dict(headers or {}))


def file(content: bytes, media_type: str, filename: str) -> Response[bytes]:
    """An answer to be saved. As bytes it stands in Lambda's answer as base64, a third longer whatever is in it."""
    headers = {"content-disposition": f'attachment; filename="{filename}"'}
    return Response(200, media_type, content, headers=headers)


def errors(*classes: type[GatewayError]) -> dict[int, Any]:
    """The OpenAPI description of a route's refusals, drawn from their classes."""
    described: dict[int, Any] = {}
    for cls in classes:
        text = (cls.__doc__ or "").strip().split("\n")[0]
        before = described.get(cls.status, {}).get("description")
        line = f"`{cls.code}`: {text}"
        described[cls.status] = {
            "description": f"{before}\n\n{line}" if before else line,
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return described


def field_name(location: tuple[int | str, ...]) -> str:
    """A validation error's place as the caller wrote it: `files.0.bytes` rather than `body, files, 0, bytes`.

    Where a field may have several types, the type that was tried is not part of the place.
    """
    named = (str(part) for part in location if part not in {"body", "query", "path"})
    parts = [part for part in named if not _UNION_MEMBER.match(part)]
    return ".".join(parts) or "body"


def _authorizer(event: Mapping[str, Any]) -> Mapping[str, Any]:
    authorizer = event["requestContext"].get("authorizer") or {}
    return authorizer.get("lambda") or {}


def _readable(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its body as JSON text. Raises PayloadTooLarge, or InvalidField for bytes that are no text.

    The API takes JSON alone, whatever the header says: `curl -d` announces a form.
    """
    body = event.get("body") or ""
    try:
        raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        text = raw.decode()
    except (binascii.Error, UnicodeError):
        raise InvalidField("The body is not UTF-8 text.", field="body") from None
    if len(raw) > BODY_BYTES_MAX:
        raise PayloadTooLarge(f"A JSON body may have {BODY_BYTES_MAX} bytes at most.")
    headers = (event.get("headers") or {}) | {"content-type": JSON}
    return event | {"body": text, "isBase64Encoded": False, "headers": headers}


def _parsed(text: str) -> Any:
    """A JSON body, held to what every later reader of it can read: no NaN, no half characters, no abysses."""
    try:
        found = json.loads(text, parse_constant=_no_number)
        # Half of a character written as an escape parses, and then has no UTF-8 form.
        json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError):
        raise json.JSONDecodeError("not readable as JSON", text[:100], 0) from None
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _current_request_id() -> str:
    return str(telemetry.logger.get_current_keys().get("request_id", ""))


def _refused(error: GatewayError) -> Response[str]:
    telemetry.logger.info("request refused", extra={"error": error.error_code})
    return answer(_body(error, _current_request_id()), error.status)


def _invalid(error: RequestValidationError) -> Response[str]:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _refused(InvalidField("The body is not valid JSON.", field="body"))
    field = field_name(tuple(first["loc"]))
    return _refused(InvalidField(f"'{field}': {first['msg']}.", field=field, allowed=first.get("ctx") or None))


def _no_route(_error: NotFoundError) -> Response[str]:
    return _refused(NotFound("There is no such route.", hint="GET /docs lists the routes."))


def _unexpected(error: Exception) -> Response[str]:
    telemetry.logger.exception("unexpected failure")
    telemetry.measure({"UnexpectedFailures": 1}, error=type(error).__name__)
    return answer(_body(GatewayError("Something failed on our side."), _current_request_id()), 500)


def _body(error: GatewayError, request_id: str) -> dict[str, Any]:
    return {key: value for key, value in error.body().items() if value is not None} | {"request_id": request_id}


def _plain(body: Mapping[str, Any], status: int) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": JSON},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
