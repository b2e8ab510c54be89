"""What callers are shown of the catalog: models, prices, estimates. Answered from memory, but for observed times."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar

from gateway import breaker, catalog, durations, health, ids, pricing, routing
from gateway.errors import InvalidField, NotFound, UnknownModel
from gateway.limits import Input, Limits, schema
from gateway.money import exact, number, to_credits, to_micros

LIMIT_MAX = 100


def models(filters: Mapping[str, str]) -> dict[str, Any]:
    """The catalog's models; `kind, family, mode, capability, status` match exactly, `q` searches id and name.

    All of them, or pages of `limit` from `cursor` on.
    """
    snapshot = catalog.current()
    found = [model for model in snapshot.models.values() if _matches(model, filters)]
    page, following = _page([model.model_id for model in found], filters)
    return {
        "items": [_shown(snapshot, model_id) for model_id in page],
        "next_cursor": following,
        "catalog_version": snapshot.version,
    }


def model(model_id: str) -> dict[str, Any]:
    """One model. Raises NotFound with the nearest ids."""
    snapshot = catalog.current()
    try:
        return _shown(snapshot, snapshot.model(model_id).model_id)
    except UnknownModel as error:
        raise NotFound(error.message, hint=error.hint, nearest=error.fields["nearest"]) from error


def prices(filters: Mapping[str, str]) -> dict[str, Any]:
    """Every model with the rate table in force now, and those that will follow it; filters as for `models`."""
    shown = models(filters)
    keys = ("id", "kind", "family", "status", "rate_table", "upcoming_rate_tables")
    items = [{"model" if key == "id" else key: item[key] for key in keys} for item in shown["items"]]
    return {**shown, "items": items}


def modes() -> dict[str, Any]:
    """The modes, the capabilities that each requires, and how many models have them."""
    now = ids.now()
    served = [model for model in catalog.current().models.values() if model.live_offers(now)]
    items = [
        {
            "mode": mode.name,
            "description": mode.description,
            "capabilities": list(mode.capabilities),
            "models": sum(model.can(mode.capabilities) for model in served),
        }
        for mode in routing.MODES.values()
    ]
    return {"items": items}


class _Views:
    """What is shown of each model, made once for a version and a day: books and sunsets change at midnight UTC."""

    made_for: tuple[str, date] | None = None
    by_id: ClassVar[dict[str, dict[str, Any]]] = {}


def _shown(snapshot: catalog.Snapshot, model_id: str) -> dict[str, Any]:
    made_for = (snapshot.version, ids.now().date())
    if _Views.made_for != made_for:
        _Views.made_for, _Views.by_id = made_for, {}
    if model_id not in _Views.by_id:
        _Views.by_id[model_id] = model_view(snapshot.models[model_id])
    # Who is well changes by the minute: that alone is not kept.
    view, offers = _Views.by_id[model_id], snapshot.models[model_id].offers
    return {**view, "offers": [_offer_view(offer) for offer in offers]}


def model_view(found: catalog.Model) -> dict[str, Any]:
    """Everything a caller needs to use a model, but for who serves it: inputs, limits, prices, how long it takes."""
    limits, moment = found.limits, ids.now()
    names = {name for own in limits.inputs for name in limits.names_of(own)}
    in_force = pricing.book_at(found.price_books, moment)
    audio = {} if found.video_audio is None else {"video_audio": found.video_audio}
    return {
        "id": found.model_id,
        "name": found.name,
        "kind": found.kind,
        "family": found.family,
        "quality": found.quality,
        "modes": list(found.modes),
        "status": status_of(found, moment),
        "sunset_at": found.ends_on and str(found.ends_on),
        "successor": found.successor,
        "capabilities": {**found.capabilities, **audio},
        "generation_types": list(limits.generation_types),
        "input_schema": schema.of_request(limits),
        "limits": {
            "prompt_max_characters": _prompt_max_characters(limits),
            "sources": [
                {"kind": source.kind, "inputs": list(source.into), "counts": dict(source.counts)}
                for source in limits.sources
            ],
            "media": {path: _media_view(item) for path, item in limits.media_inputs().items()},
            "rules": [{"code": rule.code, "message": rule.message} for rule in limits.rules],
        },
        "supports_sound": "sound" in names,
        "input_media_types": [source.kind for source in limits.sources],
        "rate_table": rate_table(in_force),
        "upcoming_rate_tables": [
            {"effective_from": ids.timestamp(book.effective_from), "rate_table": rate_table(book)}
            for book in sorted(found.price_books, key=lambda book: book.effective_from)
            if book.effective_from > moment
        ],
        "estimated_time_seconds": found.estimated_time_seconds,
    }


def _offer_view(offer: catalog.Offer) -> dict[str, Any]:
    """Who serves a model: until when, and whether it does well just now."""
    return {
        "provider": offer.provider,
        "sunset_at": offer.sunset_at and str(offer.sunset_at),
        "healthy": health.of(offer.offer_id).state != breaker.OPEN,
    }


def status_of(found: catalog.Model, moment: datetime) -> str:
    """`retired` when nobody serves it any more, `ending` within 90 days of that, else `active`."""
    if not found.live_offers(moment):
        return "retired"
    return "ending" if found.is_ending(moment) else "active"


def rate_table(book: pricing.PriceBook) -> list[dict[str, Any]]:
    """The rows of a price book in order: the first whose conditions hold is the price."""
    return [
        {
            "row_id": row.row_id,
            "when": dict(row.when),
            "unit": part.unit,
            "modality": part.modality,
            "rate": exact(part.rate),
            "rate_credits": exact(part.rate * 100),
            "meter": part.meter,
            "rounding": part.round_up_to and exact(part.round_up_to),
            "minimum": part.minimum and exact(part.minimum),
            "per_output": part.per_output,
        }
        for row in book.rows
        for part in row.components
    ]


def estimate_view(
    found: catalog.Model, quote: pricing.Quote, maximum_micros: int, warnings: tuple[str, ...]
) -> dict[str, Any]:
    """The contract's shape of a quote, with the most that may be held and the time that runs like it took."""
    duration = durations.estimate(found.model_id, quote, found.estimated_time_seconds)
    return {
        "model": found.model_id,
        "estimated_time_seconds": duration.seconds,
        "confidence": duration.confidence,
        "sample_size": duration.sample_size,
        "expected_micros": quote.expected_micros,
        "maximum_micros": maximum_micros,
        "byok": quote.terms.byok,
        "credits": number(to_credits(quote.expected_micros)),
        "lines": [_line_view(line) for line in quote.lines],
        "assumptions": list(quote.assumptions),
        "warnings": list(warnings),
        "price_book_version": quote.price_book_version,
    }


def _line_view(line: pricing.Line) -> dict[str, Any]:
    frozen = {key: value for key, value in line.to_dict().items() if key not in {"usage", "each"}}
    return frozen | {"row": line.row_id, "amount_micros": to_micros(line.amount_usd)}


def _prompt_max_characters(limits: Limits) -> int | None:
    """Of the input that takes the prompt, under whatever name."""
    prompt = limits.inputs.get(limits.fields.get("prompt", "prompt"))
    return prompt.max_length if prompt else None


def _media_view(item: Input) -> dict[str, Any]:
    media = item.media
    if media is None:
        return {}
    return {
        "kind": media.kind,
        "formats": list(media.formats),
        "bytes_max": media.bytes_max,
        "side_min_px": media.side_min_px,
        "seconds_max": media.seconds_max and number(media.seconds_max),
        "total_seconds_max": media.total_seconds_max and number(media.total_seconds_max),
    }


def _page(ids_found: list[str], filters: Mapping[str, str]) -> tuple[list[str], str | None]:
    """A page of ids: all without a `limit`; a cursor is the last id of the page before."""
    text = filters.get("limit")
    start = ids_found.index(filters["cursor"]) + 1 if filters.get("cursor") in ids_found else 0
    if "cursor" in filters and not start:
        raise InvalidField("'cursor' is not one that was given out.", field="cursor")
    if text is None:
        return ids_found[start:], None
    if not text.isdecimal() or not 1 <= int(text) <= LIMIT_MAX:
        raise InvalidField("'limit' is out of range.", field="limit", allowed={"minimum": 1, "maximum": LIMIT_MAX})
    end = start + int(text)
    return ids_found[start:end], ids_found[end - 1] if end < len(ids_found) else None


def _matches(found: catalog.Model, filters: Mapping[str, str]) -> bool:
    wanted = filters.get("q", "").lower()
    return (
        filters.get("kind", found.kind) == found.kind
        and filters.get("family", found.family) == found.family
        and filters.get("status", status := status_of(found, ids.now())) == status
        and ("mode" not in filters or filters["mode"] in found.modes)
        and ("capability" not in filters or bool(found.capabilities.get(filters["capability"])))
        and (wanted in found.model_id.lower() or wanted in found.name.lower())
    )
