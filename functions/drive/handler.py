"""POST /v1/upload/media and POST /v1/drive/sign: files in, and files shared."""

from datetime import timedelta

from aws_lambda_powertools.event_handler import Response

from gateway import api, drive, ids
from gateway.api.files import DriveSign, UploadMedia
from gateway.errors import BadRequest, InvalidField, NotFound, Unauthorized

app = api.resolver()
handler = api.serve(app)


@app.post(
    "/v1/upload/media",
    summary="Upload media",
    tags=["drive"],
    responses=api.errors(BadRequest, Unauthorized, InvalidField),
)
def upload_media(request: UploadMedia) -> Response[str]:
    """Where to PUT each file, and the URL to pass to a model afterwards."""
    project_id = api.principal(app, "files:write").project_id
    files = [drive.upload_target(project_id, file.filename, file.content_type, file.bytes) for file in request.files]
    return api.answer({"files": files})


@app.post(
    "/v1/drive/sign",
    summary="Share a file of the drive",
    tags=["drive"],
    responses=api.errors(BadRequest, Unauthorized, NotFound, InvalidField),
)
def sign(request: DriveSign) -> Response[str]:
    """A URL that lets its holder read one file for a time."""
    project_id = api.principal(app, "read").project_id
    url = drive.sign(project_id, request.drive_path, request.ttl_seconds)
    expires_at = ids.timestamp(ids.now() + timedelta(seconds=request.ttl_seconds))
    return api.answer({"url": url, "drive_path": request.drive_path, "expires_at": expires_at})
