"""What the API takes of files: uploads, and what is to be shared."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class UploadFile(BaseModel):
    """One file that is going to be uploaded."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=255)]
    content_type: Annotated[str, Field(examples=["image/png"])]
    bytes: Annotated[int, Field(strict=True)]


class UploadMedia(BaseModel):
    """Files that are going to be uploaded."""

    model_config = ConfigDict(extra="forbid")

    files: Annotated[list[UploadFile], Field(min_length=1, max_length=20)]


class DriveSign(BaseModel):
    """A file of the drive to be shared."""

    model_config = ConfigDict(extra="forbid")

    drive_path: Annotated[str, Field(min_length=1, max_length=512)]
    ttl_seconds: int = 3600
