"""What the API takes to generate. What a model itself accepts is not here but in the catalog."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, ValidationError

from gateway.api import field_name
from gateway.errors import GatewayError, InvalidField
from gateway.submission import BATCH_MAX, Order

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


class GenerateMediaBatch(BaseModel):
    """Typed requests, each as `POST /v1/generate/media` takes it."""

    # Building a validator takes milliseconds of every cold start; of the rarer routes it is built at the first call.
    model_config = ConfigDict(extra="forbid", defer_build=True)

    requests: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=BATCH_MAX)]

    def orders(self) -> list[Order | GatewayError]:
        """The order of each request, or why it is none."""
        return [_order(request) for request in self.requests]


class MediaGenerate(BaseModel):
    """A native request: `inputs` go to the model as they are."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

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


def _order(request: dict[str, Any]) -> Order | GatewayError:
    try:
        return GenerateMedia.model_validate(request).order()
    except ValidationError as error:
        first = error.errors()[0]
        field = field_name(first["loc"])
        return InvalidField(f"'{field}': {first['msg']}.", field=field)
