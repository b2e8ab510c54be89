"""A project's files in S3: keys, signed URLs, uploads. People reach files by signed URLs only."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from gateway import aws, ids
from gateway.config import settings
from gateway.errors import BadRequest, InvalidField, NotFound
from gateway.provider import staged_under

SIGNED_SECONDS = 3600
SIGNED_SECONDS_MAX = 6 * 3600
"""A signed URL dies with the credentials that signed it; a function's last at least this long."""
UPLOAD_SECONDS = 900
UPLOAD_BYTES_MAX = 100_000_000
PART_BYTES = 32 * 1024 * 1024
"""A part that fails is sent again, and not the whole file."""
CHUNK_BYTES = 1024 * 1024
_MEDIA_TYPES = re.compile(r"(image|video|audio)/[a-z0-9.+-]+")
_SAFE_PATH = re.compile(r"[\w][\w.@+=,() /-]*")


def checked_path(path: str, field: str) -> str:
    """A clean relative path of the drive. Raises BadRequest for anything that climbs, starts or hides oddly."""
    parts = PurePosixPath(path).parts
    if not _SAFE_PATH.fullmatch(path) or len(path) > 512 or ".." in parts or "." in path.split("/") or "//" in path:
        raise BadRequest(
            f"'{field}' must be a relative path such as renders/spin.mp4.",
            field=field,
            hint="Use letters, digits, . _ - and /.",
        )
    return path


def key_of(project_id: str, drive_path: str) -> str:
    """The object key of a project's file."""
    return f"projects/{project_id}/{drive_path}"


def put_file(project_id: str, drive_path: str, file: Path, media_type: str) -> None:
    """Write a file, in parts when it is large; the same path again overwrites it."""
    from boto3.s3.transfer import TransferConfig

    aws.client("s3").upload_file(
        str(file),
        settings().drive_bucket,
        key_of(project_id, drive_path),
        ExtraArgs={"ContentType": media_type},
        # One part after the other: threads would hold as many in memory, and one connection fills a function's line.
        Config=TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False),
    )


def put_bytes(project_id: str, drive_path: str, data: bytes, media_type: str) -> None:
    """Write a small file; the same path again overwrites it."""
    _put(key_of(project_id, drive_path), data, media_type)


def signed_url(project_id: str, drive_path: str, ttl_seconds: int = SIGNED_SECONDS) -> str:
    """A URL that lets its holder read one file for a time."""
    return str(
        aws.client("s3").generate_presigned_url(
            "get_object",
            Params={"Bucket": settings().drive_bucket, "Key": key_of(project_id, drive_path)},
            ExpiresIn=ttl_seconds,
        )
    )


def shown(project_id: str, output: Mapping[str, Any]) -> dict[str, Any]:
    """An output as callers see it: its facts, with signed URLs made now."""
    paths = {"url": "drive_path", "thumbnail_url": "thumbnail_path", "optimized_url": "optimized_path"}
    urls = {name: output.get(key) and signed_url(project_id, output[key]) for name, key in paths.items()}
    facts = {name: value for name, value in output.items() if name not in {"thumbnail_path", "optimized_path"}}
    return urls | facts


def sign(project_id: str, drive_path: str, ttl_seconds: int) -> str:
    """A signed URL of a file that exists. Raises NotFound, or InvalidField for a time out of range."""
    if not 1 <= ttl_seconds <= SIGNED_SECONDS_MAX:
        raise InvalidField(
            "'ttl_seconds' is out of range.",
            field="ttl_seconds",
            allowed={"minimum": 1, "maximum": SIGNED_SECONDS_MAX},
        )
    path = checked_path(drive_path, "drive_path")
    s3 = aws.client("s3")
    try:
        s3.head_object(Bucket=settings().drive_bucket, Key=key_of(project_id, path))
    except s3.exceptions.ClientError as error:
        # Without s3:ListBucket S3 says 403 for a key that is not there.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {403, 404}:
            raise
        raise NotFound(f"There is no file '{path}' in the drive.") from None
    return signed_url(project_id, path, ttl_seconds)


def upload_target(project_id: str, filename: str, content_type: str, size_bytes: int) -> dict[str, Any]:
    """Where to PUT one file, and the URL and path under which it is then found.

    The signature fixes type and length. Raises BadRequest for what is not media or too large.
    """
    if not _MEDIA_TYPES.fullmatch(content_type):
        raise BadRequest(
            f"'{content_type[:80]}' is not an image, video or audio type.",
            code="source_not_media",
            field="content_type",
        )
    if not 0 < size_bytes <= UPLOAD_BYTES_MAX:
        raise BadRequest(
            "The file's size is out of range.",
            code="source_too_large" if size_bytes > 0 else "invalid_request",
            field="bytes",
            allowed={"minimum": 1, "maximum": UPLOAD_BYTES_MAX},
        )
    name = re.sub(r"[^\w.-]", "_", PurePosixPath(filename).name)[-100:] or "file"
    drive_path = f"uploads/{ids.fresh('file')}/{name}"
    headers = {"content-type": content_type, "content-length": str(size_bytes)}
    upload_url = aws.client("s3").generate_presigned_url(
        "put_object",
        Params={
            "Bucket": settings().drive_bucket,
            "Key": key_of(project_id, drive_path),
            "ContentType": content_type,
            "ContentLength": size_bytes,
        },
        ExpiresIn=UPLOAD_SECONDS,
    )
    return {
        "upload_url": upload_url,
        "method": "PUT",
        "headers": headers,
        "url": signed_url(project_id, drive_path, SIGNED_SECONDS_MAX),
        "drive_path": drive_path,
        "expires_in_seconds": UPLOAD_SECONDS,
    }


def stage(attempt_id: str, number: int, data: bytes, media_type: str | None) -> str:
    """Keep bytes that came inside a provider's answer until they are collected; answers their key."""
    key = f"{staged_under(attempt_id)}/{number}"
    _put(key, data, media_type or "application/octet-stream")
    return key


def staged(key: str) -> Iterator[bytes]:
    """Staged bytes, piece by piece."""
    found = aws.client("s3").get_object(Bucket=settings().drive_bucket, Key=key)
    yield from found["Body"].iter_chunks(CHUNK_BYTES)


def _put(key: str, data: bytes, media_type: str) -> None:
    aws.client("s3").put_object(Bucket=settings().drive_bucket, Key=key, Body=data, ContentType=media_type)
