"""The bodies that the API takes. What a model itself accepts is not here but in the catalog."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from gateway.submission import Order

Micros = Annotated[int, Field(ge=0, strict=True, description="Millionths of a US dollar")]
ModelId = Annotated[str, Field(min_length=1, max_length=200, examples=["nano-banana", "kuaishou/kling-v3-i2v"])]
Kind = Literal["auto", "image", "video", "audio", "text"]
OutputPath = Annotated[str | None, Field(max_length=512, examples=["renders/spin.mp4"])]
OutputUrlPath = Annotated[str | None, Field(max_length=200, examples=["outputs[0].asset.url"])]
SessionId = Annotated[str | None, Field(max_length=200, description="Groups calls in the cost view")]
Metadata = Annotated[dict[str, str] | None, Field(max_length=16, description="Yours; kept and shown, never read")]


class GenerateMedia(BaseModel):
    """A typed request. Parameters of the model itself (`GET /v1/models/{id}`) stand beside these fields."""

    model_config = ConfigDict(extra="allow")

    model: ModelId
    prompt: str | None = None
    generation_type: str | None = None
    negative_prompt: str | None = None
    source_media_urls: str | list[str] | None = None
    aspect_ratio: str | None = None
    duration: Annotated[str | StrictInt | StrictFloat | None, Field(description='Seconds: 5, "5" or "5s"')] = None
    quality: str | None = None
    resolution: str | None = None
    sound: StrictBool | None = None
    seed: StrictInt | None = None
    max_price_micros: Micros | None = None
    session_id: SessionId = None
    metadata: Metadata = None

    def order(self) -> Order:
        """The order that this request makes."""
        control = {"model", "max_price_micros", "session_id", "metadata"}
        given = self.model_dump(exclude=control, exclude_none=True)
        return Order(
            model=self.model,
            native=False,
            inputs=given,
            session_id=self.session_id,
            metadata=self.metadata,
            max_price_micros=self.max_price_micros,
        )


class MediaGenerate(BaseModel):
    """A native request: `inputs` go to the model as they are."""

    model_config = ConfigDict(extra="forbid")

    model: ModelId
    inputs: dict[str, Any] = {}
    kind: Kind = "auto"
    output_path: OutputPath = None
    output_url_path: OutputUrlPath = None
    max_price_micros: Micros | None = None
    session_id: SessionId = None
    metadata: Metadata = None

    def order(self) -> Order:
        """The order that this request makes."""
        return Order(native=True, **self.model_dump())


class Estimate(GenerateMedia):
    """Either kind of request: with `inputs` it is native, without it is typed."""

    inputs: dict[str, Any] | None = None
    kind: Kind = "auto"
    output_path: OutputPath = None
    output_url_path: OutputUrlPath = None

    def order(self) -> Order:
        """The order that would be made, refused for the same reasons."""
        control = {"model", "max_price_micros", "session_id", "metadata", "kind", "output_path", "output_url_path"}
        typed = self.model_dump(exclude=control, exclude_none=True) if self.inputs is None else {}
        return Order(
            model=self.model,
            native=self.inputs is not None,
            inputs=self.inputs or typed,
            output_path=self.output_path,
            output_url_path=self.output_url_path,
            kind=self.kind,
        )


class CatalogFilters(BaseModel):
    """What narrows a listing of the catalog."""

    kind: Annotated[str | None, Field(examples=["video"], description="image, video, audio or text")] = None
    family: Annotated[str | None, Field(examples=["seedance-2-fast"])] = None
    mode: Annotated[str | None, Field(examples=["speech"])] = None
    capability: Annotated[str | None, Field(examples=["image-edit"])] = None
    status: Annotated[str | None, Field(description="active, ending (within 90 days) or retired")] = None
    q: Annotated[str | None, Field(description="Part of the id or the name")] = None
    limit: Annotated[str | None, Field(description="1 to 100; without it all are listed")] = None
    cursor: Annotated[str | None, Field(description="The next_cursor of the page before")] = None

    def given(self) -> dict[str, str]:
        """The filters that were given."""
        return self.model_dump(exclude_none=True)


class UploadFile(BaseModel):
    """One file that is going to be uploaded."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=255)]
    content_type: Annotated[str, Field(examples=["image/png"])]
    bytes: int


class UploadMedia(BaseModel):
    """Files that are going to be uploaded."""

    model_config = ConfigDict(extra="forbid")

    files: Annotated[list[UploadFile], Field(min_length=1, max_length=20)]


class DriveSign(BaseModel):
    """A file of the drive to be shared."""

    model_config = ConfigDict(extra="forbid")

    drive_path: Annotated[str, Field(min_length=1, max_length=512)]
    ttl_seconds: int = 3600
