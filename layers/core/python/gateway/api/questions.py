"""What the API takes to look something up in the catalog: filters, and a request to be priced."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from gateway.api.requests import Called, GenerateMedia, Kind, OutputPath, OutputUrlPath
from gateway.submission import Order


class Estimate(GenerateMedia):
    """Either kind of request: with `inputs` it is native, without it is typed."""

    inputs: dict[str, Any] | None = None
    kind: Kind = "auto"
    output_path: OutputPath = None
    output_url_path: OutputUrlPath = None

    def order(self) -> Order:
        """The order that would be made, refused for the same reasons."""
        control = {*Called.model_fields, "session_id", "metadata", "kind", "output_path", "output_url_path"}
        typed = self.model_dump(exclude=control, exclude_none=True) if self.inputs is None else {}
        return Order(
            **self.called(),
            native=self.inputs is not None,
            inputs=self.inputs or typed,
            output_path=self.output_path,
            output_url_path=self.output_url_path,
            kind=self.kind,
            allow_platform_key=self.allow_platform_key,
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
