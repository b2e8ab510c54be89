"""What the gateway needs of DynamoDB, S3, KMS and EventBridge, in memory, with the semantics of AWS.

A call takes microseconds instead of an emulator's milliseconds, and what AWS does that an emulator does not is done
here: a transaction is atomic and repeats of its token are none. `tests/integration/test_store.py` holds every answer
against the emulator's, call by call.
"""

import io
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from infra import manifest

Item = dict[str, Any]
Test = Callable[[Item, Mapping[str, Any]], bool]
INDEXES = {(table.name, index.name): index for table in manifest.TABLES for index in table.indexes}
_TOKEN = re.compile(r"[#:]?\w+|<=|>=|<>|[=<>(),]")


def failure(operation: str, code: str, **more: Any) -> ClientError:
    """An error as botocore raises it."""
    status = 500 if code == "InternalServerError" else 400
    return ClientError(
        {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}, operation
    )


def cancelled(codes: list[str]) -> ClientError:
    """A cancelled transaction, with a reason for each of its writes."""
    reasons = [{"Code": code, "Message": code} for code in codes]
    return failure("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)


@dataclass
class Store:
    """Tables, files and events. Items are replaced and never changed, so a copy of it is cheap."""

    tables: dict[str, dict[tuple[str, str], Item]] = field(default_factory=dict)
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    sealed: dict[bytes, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    """By ciphertext, what was encrypted, and its context."""

    @classmethod
    def empty(cls) -> "Store":
        """The tables of the deployment, with nothing in them."""
        return cls({table.name: {} for table in manifest.TABLES})

    def copy(self) -> "Store":
        """One that goes its own way from here on."""
        tables = {name: dict(items) for name, items in self.tables.items()}
        return Store(tables, dict(self.files), list(self.events), dict(self.sealed))

    def call(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer an API call as a client gets it. Raises ClientError."""
        answer: dict[str, Any] = getattr(self, f"_{operation}")(arguments)
        return {**answer, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

    # Items
    def _GetItem(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        found = self.tables[asked["TableName"]].get(_key(asked["Key"]))
        return {} if found is None else {"Item": found}

    def _PutItem(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._check("PutItem", asked, asked["Item"])
        self._put(asked)
        return {}

    def _UpdateItem(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._check("UpdateItem", asked, asked["Key"])
        updated = self._update(asked)
        return {"Attributes": updated} if asked.get("ReturnValues") == "ALL_NEW" else {}

    def _BatchGetItem(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        found = {
            name: [self.tables[name][_key(key)] for key in wanted["Keys"] if _key(key) in self.tables[name]]
            for name, wanted in asked["RequestItems"].items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def _BatchWriteItem(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        for name, writes in asked["RequestItems"].items():
            for write in writes:
                self._put({"TableName": name, **write["PutRequest"]})
        return {"UnprocessedItems": {}}

    def _TransactGetItems(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"Responses": [self._GetItem(one["Get"]) for one in asked["TransactItems"]]}

    def _TransactWriteItems(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        writes = [next(iter(one.items())) for one in asked["TransactItems"]]
        keys = [(write["TableName"], _key(write.get("Key") or write["Item"])) for _, write in writes]
        if len(writes) > 100 or len(set(keys)) != len(keys):
            raise failure("TransactWriteItems", "ValidationException")
        holds = [self._holds(write, write.get("Key") or write["Item"]) for _, write in writes]
        if not all(holds):
            raise cancelled(["None" if one else "ConditionalCheckFailed" for one in holds])
        for kind, write in writes:
            if kind != "ConditionCheck":
                (self._put if kind == "Put" else self._update)(write)
        return {}

    # Listings
    def _Query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        index = INDEXES.get((asked["TableName"], asked.get("IndexName", "")))
        partition, sort = (index.partition, index.sort) if index else ("pk", "sk")
        items = [i for i in self.tables[asked["TableName"]].values() if partition in i and sort in i]
        found = [i for i in items if _test(asked["KeyConditionExpression"])(i, _named(asked))]
        backwards = not asked.get("ScanIndexForward", True)
        found.sort(key=lambda item: (_value(item[sort]), item["pk"]["S"], item["sk"]["S"]), reverse=backwards)
        if start := asked.get("ExclusiveStartKey"):
            place = [i for i, item in enumerate(found) if _key(item) == _key(start)]
            found = found[place[0] + 1 :] if place else found
        if index and index.keys_only:
            found = [{name: item[name] for name in ("pk", "sk", partition, sort)} for item in found]
        return self._page(asked, found, {"pk", "sk", partition, sort})

    def _Scan(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._page(asked, list(self.tables[asked["TableName"]].values()), {"pk", "sk"})

    def _page(self, asked: Mapping[str, Any], found: list[Item], key: set[str]) -> dict[str, Any]:
        limit = asked.get("Limit")
        page = found if limit is None else found[:limit]
        shown = page
        if "FilterExpression" in asked:
            shown = [item for item in page if _test(asked["FilterExpression"])(item, _named(asked))]
        answer = {"Items": shown, "Count": len(shown), "ScannedCount": len(page)}
        is_full = limit is not None and len(page) == limit
        return answer | ({"LastEvaluatedKey": {name: page[-1][name] for name in key}} if is_full else {})

    # Files and events
    def _PutObject(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        body = asked["Body"] if isinstance(asked["Body"], bytes) else asked["Body"].read()
        self.files[asked["Key"]] = (body, asked.get("ContentType", ""))
        return {"ETag": '"0"'}

    def _HeadObject(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["Key"] not in self.files:
            raise failure("HeadObject", "404")
        body, media_type = self.files[asked["Key"]]
        return {"ContentLength": len(body), "ContentType": media_type, "ETag": '"0"'}

    def _GetObject(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        facts = self._HeadObject(asked)
        return {**facts, "Body": StreamingBody(io.BytesIO(self.files[asked["Key"]][0]), facts["ContentLength"])}

    def _PutEvents(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self.events += asked["Entries"]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(len(self.events))} for _ in asked["Entries"]]}

    # Keys
    def _Encrypt(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        blob = secrets.token_bytes(64)
        self.sealed[blob] = (asked["Plaintext"], dict(asked.get("EncryptionContext", {})))
        return {"CiphertextBlob": blob, "KeyId": asked["KeyId"]}

    def _Decrypt(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        plaintext, context = self.sealed.get(asked["CiphertextBlob"], (b"", None))
        if context != asked.get("EncryptionContext", {}):
            raise failure("Decrypt", "InvalidCiphertextException")
        return {"Plaintext": plaintext, "KeyId": asked["KeyId"]}

    # Insides
    def _holds(self, write: Mapping[str, Any], key: Item) -> bool:
        expression = write.get("ConditionExpression")
        found = self.tables[write["TableName"]].get(_key(key), {})
        return expression is None or _test(expression)(found, _named(write))

    def _check(self, operation: str, write: Mapping[str, Any], key: Item) -> None:
        if not self._holds(write, key):
            raise failure(operation, "ConditionalCheckFailedException")

    def _put(self, write: Mapping[str, Any]) -> None:
        self.tables[write["TableName"]][_key(write["Item"])] = dict(write["Item"])

    def _update(self, write: Mapping[str, Any]) -> Item:
        table, key = self.tables[write["TableName"]], _key(write["Key"])
        item = dict(table.get(key) or write["Key"])
        for act, name, value in _actions(write["UpdateExpression"], _named(write)):
            if act == "SET":
                item[name] = value
            elif act == "ADD":
                before = Decimal(item[name]["N"]) if name in item else Decimal(0)
                item[name] = {"N": str(before + Decimal(value["N"]))}
            else:
                item.pop(name, None)
        table[key] = item
        return item


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _named(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the placeholders of a request's expressions stand for."""
    return {**asked.get("ExpressionAttributeNames", {}), **asked.get("ExpressionAttributeValues", {})}


def _value(typed: Mapping[str, Any]) -> tuple[str, Any]:
    """A typed value as it compares: of another type it is neither less nor equal."""
    [(kind, value)] = typed.items()
    return kind, Decimal(value) if kind == "N" else value


def _actions(expression: str, named: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    act, words = "", iter(_TOKEN.findall(expression))
    for word in words:
        if word in {"SET", "ADD", "REMOVE"}:
            act = word
        elif word.startswith("#"):
            if act == "SET" and next(words) != "=":
                raise NotImplementedError(expression)
            yield act, named[word], None if act == "REMOVE" else named[next(words)]
        elif word != ",":
            raise NotImplementedError(expression)


@cache
def _test(expression: str) -> Test:
    """A condition, parsed once: comparisons of an attribute with values, AND, OR, NOT."""
    words = _TOKEN.findall(expression)
    test = _any_of(words)
    if words:
        raise NotImplementedError(expression)
    return test


def _any_of(words: list[str]) -> Test:
    parts = [_all_of(words)]
    while words[:1] == ["OR"]:
        words.pop(0)
        parts.append(_all_of(words))
    return parts[0] if len(parts) == 1 else lambda item, named: any(part(item, named) for part in parts)


def _all_of(words: list[str]) -> Test:
    parts = [_single(words)]
    while words[:1] == ["AND"]:
        words.pop(0)
        parts.append(_single(words))
    return parts[0] if len(parts) == 1 else lambda item, named: all(part(item, named) for part in parts)


def _single(words: list[str]) -> Test:
    word = words.pop(0)
    if word == "(":
        inner = _any_of(words)
        words.pop(0)
        return inner
    if word == "NOT":
        inner = _single(words)
        return lambda item, named: not inner(item, named)
    if word in {"attribute_exists", "attribute_not_exists", "begins_with"}:
        given = _list(words)
        if word == "begins_with":
            return lambda item, named: _text(item, named[given[0]]).startswith(named[given[1]]["S"])
        return lambda item, named: (named[given[0]] in item) == (word == "attribute_exists")
    return _comparison(word, words)


def _comparison(attribute: str, words: list[str]) -> Test:
    sign = words.pop(0)
    if sign == "IN":
        among = _list(words)
        return lambda item, named: any(_compared(item, named[attribute], "=", named[one]) for one in among)
    operand = words.pop(0)
    if sign != "BETWEEN":
        return lambda item, named: _compared(item, named[attribute], sign, named[operand])
    words.pop(0)
    last = words.pop(0)
    return lambda item, named: all(
        _compared(item, named[attribute], *bound) for bound in ((">=", named[operand]), ("<=", named[last]))
    )


def _list(words: list[str]) -> list[str]:
    end = words.index(")")
    given = [word for word in words[1:end] if word != ","]
    del words[: end + 1]
    return given


def _text(item: Item, name: str) -> str:
    return str(item.get(name, {}).get("S", ""))


def _compared(item: Item, name: str, sign: str, operand: Mapping[str, Any]) -> bool:
    if name not in item:
        return sign == "<>"
    (kind, left), (other, right) = _value(item[name]), _value(operand)
    if kind != other:
        return sign == "<>"
    match sign:
        case "=":
            return bool(left == right)
        case "<>":
            return bool(left != right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case _:
            return bool(left >= right)
