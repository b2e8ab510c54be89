"""What the API takes to generate. What a model itself accepts is not here but in the catalog."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, ValidationError

from gateway.api import field_name
from gateway.errors import GatewayError, InvalidField
from gateway.routing import ANYTHING, Policy, Prefer, Quality, Wish
from gateway.submission import BATCH_MAX, Order
from gateway.submission.orders import ROUTER

Micros = Annotated[int, Field(ge=0, strict=True, description="Millionths of a US dollar")]
ModelId = Annotated[str, Field(min_length=1, max_length=200, examples=["nano-banana", "kuaishou/kling-v3-i2v"])]
Kind = Literal["auto", "image", "video", "audio", "text"]
OutputPath = Annotated[str | None, Field(max_length=512, examples=["renders/spin.mp4"])]
OutputUrlPath = Annotated[str | None, Field(max_length=200, examples=["outputs[0].asset.url"])]
SessionId = Annotated[str | None, Field(max_length=200, description="Groups calls in the cost view")]
Metadata = Annotated[dict[str, str] | None, Field(max_length=16, description="Yours; kept and shown, never read")]


Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]] | None, Field(max_length=100)]


class Choice(BaseModel):
    """What the model must be like where none is named, and which of its offers are wanted where one is."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    mode: Annotated[
        str | None,
        Field(min_length=1, max_length=100, examples=["image", "chat+image"], description="GET /v1/modes lists them"),
    ] = None
    capabilities: Annotated[Names, Field(examples=[["video-gen", "image-to-video"]])] = None
    prefer: Annotated[
        Prefer | None, Field(description="What is best; null: balanced, or price among the offers of a named model")
    ] = None
    quality_min: Annotated[Quality | None, Field(description="The lowest tier that will do")] = None
    providers: Annotated[Names, Field(description="These alone")] = None
    exclude_providers: Names = None
    models: Annotated[Names, Field(description="These alone")] = None
    exclude_models: Names = None
    max_price_micros: Micros | None = None

    def wish(self, prefer: Prefer = "balanced", **policy: Any) -> Wish:
        """What is asked of the model; `prefer` is meant where nothing is said, `policy` is what else there is of it."""
        names: dict[str, Any] = {name: tuple(getattr(self, name) or ()) for name in _NAMES}
        return Wish(
            self.mode,
            tuple(self.capabilities or ()),
            Policy(prefer=self.prefer or prefer, quality_min=self.quality_min, **names, **policy),
        )


_NAMES = ("providers", "exclude_providers", "models", "exclude_models")
_CHOOSING = ("mode", "capabilities", "prefer", "quality_min", *_NAMES)


class Called(Choice):
    """What a request is for: a model, a saved router, or whatever model can do what is asked for."""

    model: Annotated[ModelId | None, Field(description="An id or router/NAME; null: by mode or capabilities")] = None
    allow_platform_key: Annotated[
        StrictBool, Field(description="Where the project has a provider key of its own: fall back to the deployment's")
    ] = False

    def called(self) -> dict[str, Any]:
        """The model and the wish of an order. Raises InvalidField where there is neither, or one too much."""
        asks = [name for name in ("mode", "capabilities") if getattr(self, name)]
        if self.model is None:
            if not asks:
                raise InvalidField("Name a model, or a mode or capabilities.", field="model")
            return {"model": None, "wish": self.wish()}
        if not self.model.startswith(ROUTER):
            if asks:
                raise InvalidField("A named model needs no mode and no capabilities.", field=asks[0])
            return {"model": self.model, "wish": self.wish("price")}
        if given := [name for name in _CHOOSING if getattr(self, name) is not None]:
            raise InvalidField(f"'{given[0]}' is what the router says.", field=given[0])
        return {"model": self.model, "wish": ANYTHING}


class GenerateMedia(Called):
    """A typed request. Parameters of the model itself (`GET /v1/models/{id}`) stand beside these fields."""

    model_config = ConfigDict(extra="allow", defer_build=False)

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
    session_id: SessionId = None
    metadata: Metadata = None

    def order(self) -> Order:
        """The order that this request makes."""
        given = self.model_dump(exclude={*Called.model_fields, "session_id", "metadata"}, exclude_none=True)
        return Order(
            **self.called(),
            native=False,
            inputs=given,
            session_id=self.session_id,
            metadata=self.metadata,
            max_price_micros=self.max_price_micros,
            allow_platform_key=self.allow_platform_key,
        )


class GenerateMediaBatch(BaseModel):
    """Typed requests, each as `POST /v1/generate/media` takes it."""

    # Building a validator takes milliseconds of every cold start; of the rarer routes it is built at the first call.
    model_config = ConfigDict(extra="forbid", defer_build=True)

    requests: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=BATCH_MAX)]

    def orders(self) -> list[Order | GatewayError]:
        """The order of each request, or why it is none."""
        return [_order(request) for request in self.requests]


class MediaGenerate(Called):
    """A native request: `inputs` go to the model as they are. Where none is named, they are a typed request's."""

    inputs: dict[str, Any] = {}
    kind: Kind = "auto"
    output_path: OutputPath = None
    output_url_path: OutputUrlPath = None
    session_id: SessionId = None
    metadata: Metadata = None

    def order(self) -> Order:
        """The order that this request makes."""
        return Order(native=True, **self.called(), **self.model_dump(exclude={"model", *_CHOOSING}))


def _order(request: dict[str, Any]) -> Order | GatewayError:
    try:
        return GenerateMedia.model_validate(request).order()
    except InvalidField as refusal:
        return refusal
    except ValidationError as error:
        first = error.errors()[0]
        field = field_name(first["loc"])
        return InvalidField(f"'{field}': {first['msg']}.", field=field)
