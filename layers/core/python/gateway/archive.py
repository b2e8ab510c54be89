"""Files of the operator's making in the drive's bucket, beside the projects' own: exports, kept and passing.

    exports/<project>/<yyyy>/<mm>/<dd>/...     written once and for ever
    downloads/<project>/<id>/...               written for one answer; the bucket's lifecycle takes them away

Neither is under `projects/`, so no path of a drive leads to them.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Self

from gateway import aws
from gateway.config import settings

SIGNED_SECONDS = 3600
_CHUNK_BYTES = 1 << 20


class Spool:
    """Text on its way to S3: on disk, so that any amount of it takes no memory; counted and hashed as it is written."""

    def __init__(self, text: str = "") -> None:
        self.file = TemporaryFile()  # noqa: SIM115 - closed by `__exit__`
        self.bytes = 0
        self.lines = 0
        self._hash = hashlib.sha256()
        if text:
            self.write(text)

    def write(self, line: str) -> None:
        """Add a line, with its own end of line."""
        data = line.encode()
        self.file.write(data)
        self._hash.update(data)
        self.bytes += len(data)
        self.lines += 1

    @property
    def sha256(self) -> str:
        """The digest of what was written so far, in hex."""
        return self._hash.hexdigest()

    def content(self) -> bytes:
        """All of it: for what is known to be small."""
        self.file.seek(0)
        return self.file.read()

    def read_lines(self) -> Iterator[bytes]:
        """What was written, line by line."""
        self.file.seek(0)
        yield from self.file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()


def keep(key: str, spool: Spool, media_type: str) -> bool:
    """Write an object once. True when it is there with exactly these bytes; False, and untouched, with others.

    The store itself refuses to overwrite (`If-None-Match: *`), so no two writers and no repeat can change it.
    """
    try:
        _put(key, spool, media_type, IfNoneMatch="*")
    except aws.client("s3").exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
            raise
        return _stored_sha256(key) == spool.sha256
    return True


def put(key: str, spool: Spool, media_type: str) -> None:
    """Write an object under a key that nothing else has."""
    _put(key, spool, media_type)


def read(key: str) -> bytes | None:
    """A small object's bytes; None when there is none."""
    s3 = aws.client("s3")
    try:
        return bytes(s3.get_object(Bucket=settings().drive_bucket, Key=key)["Body"].read())
    except s3.exceptions.ClientError as error:
        # Without s3:ListBucket S3 says 403 for a key that is not there.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {403, 404}:
            raise
        return None


def signed_url(key: str) -> str:
    """A URL that lets its holder read one object for an hour."""
    parameters = {"Bucket": settings().drive_bucket, "Key": key}
    return str(aws.client("s3").generate_presigned_url("get_object", Params=parameters, ExpiresIn=SIGNED_SECONDS))


def _put(key: str, spool: Spool, media_type: str, **conditions: str) -> None:
    spool.file.seek(0)
    options: dict[str, Any] = {"Bucket": settings().drive_bucket, "Key": key, "ContentType": media_type, **conditions}
    # S3 holds what arrives to the digest; Object Lock takes no object without one.
    digest = b64encode(bytes.fromhex(spool.sha256)).decode()
    aws.client("s3").put_object(**options, Body=spool.file, ContentLength=spool.bytes, ChecksumSHA256=digest)


def _stored_sha256(key: str) -> str:
    body = aws.client("s3").get_object(Bucket=settings().drive_bucket, Key=key)["Body"]
    found = hashlib.sha256()
    for chunk in body.iter_chunks(_CHUNK_BYTES):
        found.update(chunk)
    return found.hexdigest()
