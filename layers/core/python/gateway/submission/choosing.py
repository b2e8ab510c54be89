"""What serves an order: the offers of the model that it names, or of every model that can do what it asks for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway import breaker, catalog, durations, health, ids, pricing, routers, routing, tables
from gateway.errors import GatewayError, ModelRetired, NoViableModel, PriceAboveMaximum
from gateway.submission.fitting import Fit, Media, fitted, normalized_for
from gateway.submission.orders import Order, check_paths, terms_of

SERVED_MAX = 6
"""Offers that are kept for an order, the first and those that may follow it."""
PER_PROVIDER_MAX = 2
"""Of other models at one provider: one that is down shall not use up the list."""
REASONS_MAX = 10
"""Dropped candidates that a refusal names."""


@dataclass(frozen=True)
class Choice:
    """Every candidate for an order with its reason, best first, and the models that take it."""

    wish: routing.Wish
    router: routers.Named | None
    ranked: tuple[routing.Ranked, ...]
    fits: Mapping[str, Fit]
    own_providers: frozenset[str]
    """The providers that the project has a key of its own at."""

    @property
    def kept(self) -> list[routing.Ranked]:
        """The candidates that may serve it, best first."""
        return [one for one in self.ranked if one.kept]

    def offer_of(self, candidate: routing.Candidate) -> catalog.Offer:
        """The offer of a candidate that may serve it."""
        return self.fits[candidate.model].model.offers[candidate.position]

    def view(self) -> dict[str, Any]:
        """As `POST /v1/route` answers it."""
        return {**routing.asked(self.wish, self._router), "candidates": [one.view() for one in self.ranked]}

    def decision(self, served: "Sequence[Served]") -> routing.Decision:
        """As it is kept with the order: those that may serve it, and how many others there were."""
        by_offer = {one.candidate.offer: one.candidate for one in self.kept}
        kept = tuple(by_offer[one.offer.offer_id] for one in served)
        others = len(by_offer.keys() - {one.offer for one in kept})
        return routing.Decision(self.wish, self._router, kept, others, len(self.ranked) - len(self.kept))

    @property
    def _router(self) -> tuple[str, int] | None:
        return (self.router.name, self.router.version) if self.router else None


@dataclass(frozen=True)
class Served:
    """One offer that may serve an order, and the order as its model takes it."""

    offer: catalog.Offer
    fit: Fit
    byok: bool
    """Whether it is asked with the project's own key."""

    @property
    def quote(self) -> pricing.Quote:
        """What it costs there: under the project's own key our fee alone."""
        return self.fit.quote.under(byok=self.byok)


@dataclass(frozen=True)
class Priced:
    """An order whose inputs are within limits, with its price."""

    served: tuple[Served, ...]
    """Best first; never empty."""
    warnings: tuple[str, ...]
    decision: routing.Decision | None = None
    """Why it is these; None where there was nothing to choose from."""

    @property
    def model(self) -> catalog.Model:
        """The model that is to serve it."""
        return self.served[0].fit.model

    @property
    def quote(self) -> pricing.Quote:
        """What it costs there."""
        return self.served[0].quote

    @property
    def maximum_micros(self) -> int:
        """What it can cost at most, by whichever of the offers it is delivered."""
        return max(one.quote.maximum_micros for one in self.served)


def estimate(order: Order, project: tables.Project) -> Priced:
    """Check an order and price it; nothing is held. Of its media only those are looked at that its price depends on.

    Raises a GatewayError of the catalog, the limits or the choice, or ModelRetired with what the successor would cost.
    """
    return _priced(order, choose(order, project), ids.now())


def price(order: Order, project: tables.Project, generation_id: str) -> Priced:
    """Check an order whole and price it for a generation, also against its own `max_price_micros`; nothing is held.

    Raises a GatewayError of the catalog, the limits, the sources or the choice, or PriceAboveMaximum.
    """
    priced = _priced(order, choose(order, project, generation_id, looks_at_all=True), ids.now())
    maximum_micros = priced.maximum_micros
    if order.max_price_micros is not None and maximum_micros > order.max_price_micros:
        raise PriceAboveMaximum(
            "This call may cost more than your max_price_micros.",
            field="max_price_micros",
            maximum_micros=maximum_micros,
        )
    return priced


def choose(
    order: Order,
    project: tables.Project,
    generation_id: str | None = None,
    *,
    looks_at_all: bool = False,
    media: Media | None = None,
) -> Choice:
    """Rank what could serve an order; nothing is started, and that nothing is left is no error.

    `generation_id` is of the generation that it is for: some are to find out whether a failing offer works again.

    Raises a GatewayError for an order that no model could serve as it stands; where it names one, of that model.
    """
    now, terms, snapshot = ids.now(), terms_of(project), catalog.current()
    check_paths(order)
    named = None if order.router is None else routers.named(project.project_id, order.router)
    wish = order.wish if named is None else named.wish
    if not order.is_routed:
        return _choice_of_offers(snapshot, order, wish, terms, now, generation_id, looks_at_all=looks_at_all)
    ceilings = [one for one in (order.max_price_micros, wish.policy.max_price_micros) if one is not None]
    wish = replace(wish, policy=replace(wish.policy, max_price_micros=min(ceilings, default=None)))
    required, media = wish.required, media or Media()
    fits: dict[str, Fit] = {}
    candidates: list[routing.Candidate] = []
    for model in snapshot.models.values():
        if not model.can(required) or (wish.policy.models and model.model_id not in wish.policy.models):
            continue
        try:
            fit = fits[model.model_id] = fitted(model, order, terms, now, media, looks_at_all=looks_at_all)
        except GatewayError as refusal:
            if media.refusal is not None:
                raise media.refusal from None
            candidates += _candidates(model, None, refusal.message, now, generation_id)
        else:
            candidates += _candidates(model, fit, "", now, generation_id)
    return Choice(wish, named, _ranked(candidates, wish.policy), fits, terms.own_providers)


def _choice_of_offers(
    snapshot: catalog.Snapshot,
    order: Order,
    wish: routing.Wish,
    terms: pricing.Terms,
    now: datetime,
    generation_id: str | None,
    *,
    looks_at_all: bool,
) -> Choice:
    """The choice among the offers of the model that the order names."""
    model = snapshot.model(order.model or "")
    if not model.live_offers(now):
        raise _retired(snapshot, model, order, terms, now)
    fit = fitted(model, order, terms, now, Media(), looks_at_all=looks_at_all)
    ranked = routing.ranked(_candidates(model, fit, "", now, generation_id), wish.policy, keeps_down=True)
    return Choice(wish, None, ranked, {model.model_id: fit}, terms.own_providers)


def _ranked(candidates: Iterable[routing.Candidate], policy: routing.Policy) -> tuple[routing.Ranked, ...]:
    """The candidates in their order. Where all that could serve are failing, they are tried all the same."""
    found = list(candidates)
    ranked = routing.ranked(found, policy)
    if any(one.kept for one in ranked):
        return ranked
    return routing.ranked(found, policy, keeps_down=True)


def _health(offer_id: str, fit: Fit | None, generation_id: str | None) -> routing.Health:
    known = health.of(offer_id)
    alike = known.by_parameters.get(durations.parameters_of(fit.quote)) if fit else None
    return routing.Health(
        known.state,
        1.0 if known.success_rate is None else known.success_rate,
        alike[0] if alike else known.p50_seconds,
        probe=known.state == breaker.HALF_OPEN and generation_id is not None and known.takes(generation_id),
    )


def _candidates(
    model: catalog.Model, fit: Fit | None, unfit: str, now: datetime, generation_id: str | None
) -> Iterator[routing.Candidate]:
    for position, offer in enumerate(model.offers):
        if not offer.is_alive(now):
            unfit_here = f"It is no longer served since {offer.sunset_at}."
        elif fit is not None and not offer.serves(fit.normalized.inputs):
            unfit_here = f"The provider {offer.provider} does not do this part of the model."
        else:
            unfit_here = unfit
        cost = fit.cost(offer, now) if fit and not unfit_here else None
        quote = fit and fit.quote.under(byok=offer.is_own(fit.quote.terms.own_providers))
        yield routing.Candidate(
            model=model.model_id,
            offer=offer.offer_id,
            provider=offer.provider,
            position=position,
            quality=model.quality,
            seconds=offer.typical_seconds,
            expected_micros=quote.expected_micros if quote else None,
            maximum_micros=quote.maximum_micros if quote else None,
            cost_micros=cost.expected_micros if cost else None,
            health=_health(offer.offer_id, fit, generation_id),
            unfit=unfit_here,
        )


def _priced(order: Order, choice: Choice, now: datetime) -> Priced:
    if not choice.kept:
        raise _nothing_left(choice)
    served = _served(choice, allow_platform_key=order.allow_platform_key)
    first = served[0].fit
    warnings = (*first.normalized.warnings, *_sunset_warning(first.model, now))
    has_choice = order.is_routed or len(choice.ranked) > 1
    return Priced(served, warnings, choice.decision(served) if has_choice else None)


def _on_accounts(choice: Choice, *, allow_platform_key: bool) -> list[tuple[routing.Ranked, bool]]:
    """The candidates that may serve, best first, and whether each is asked with the project's own key.

    Those on its own accounts come first. Where there are such, ours are used only if that was allowed.
    """
    own = [(one, True) for one in choice.kept if choice.offer_of(one.candidate).is_own(choice.own_providers)]
    return own + [(one, False) for one in choice.kept if allow_platform_key or not own]


def _served(choice: Choice, *, allow_platform_key: bool) -> tuple[Served, ...]:
    """The best offer, and those that may follow when it is known not to run.

    They do the same with the same inputs and may cost no more than the first, whose maximum is held. The same endpoint
    under another model's name is no other chance.
    """
    candidates = _on_accounts(choice, allow_platform_key=allow_platform_key)
    first = choice.fits[candidates[0][0].candidate.model]
    served: list[Served] = []
    for one, byok in candidates:
        fit, offer = choice.fits[one.candidate.model], choice.offer_of(one.candidate)
        others = [(kept.offer.provider, kept.offer.endpoint(kept.fit.normalized.inputs)) for kept in served]
        providers = [provider for provider, _ in others]
        if fit is not first and (
            (fit.model.kind, fit.generation_type) != (first.model.kind, first.generation_type)
            or fit.quote.maximum_micros > first.quote.maximum_micros
            or (offer.provider, offer.endpoint(fit.normalized.inputs)) in others
            or providers.count(offer.provider) >= PER_PROVIDER_MAX
        ):
            continue
        served.append(Served(offer, fit, byok))
        if len(served) == SERVED_MAX:
            break
    return tuple(served)


def _nothing_left(choice: Choice) -> NoViableModel:
    return NoViableModel(
        "No model can serve this as it was asked for.",
        field="model",
        capabilities=sorted(choice.wish.required),
        reasons=[
            {"model": one.candidate.model, "provider": one.candidate.provider, "reason": one.reason}
            for one in choice.ranked[:REASONS_MAX]
        ],
    )


def _sunset_warning(model: catalog.Model, now: datetime) -> tuple[str, ...]:
    if not model.is_ending(now):
        return ()
    return (f"'{model.model_id}' is served until {model.ends_on}; its successor is '{model.successor}'.",)


def _retired(
    snapshot: catalog.Snapshot, model: catalog.Model, order: Order, terms: pricing.Terms, now: datetime
) -> ModelRetired:
    """The refusal of a model that nobody serves: what to use instead, and what the same call costs there."""
    successor = snapshot.living_successor(model, now)
    prices_micros = [one and _price_micros(one, order, terms, now) for one in (model, successor)]
    before_micros, after_micros = prices_micros
    known = before_micros is not None and after_micros is not None
    return ModelRetired(
        f"'{model.model_id}' is no longer served since {model.ends_on}.",
        field="model",
        retired_on=str(model.ends_on),
        successor=successor and successor.model_id,
        price_micros=before_micros,
        successor_price_micros=after_micros,
        price_difference_micros=(after_micros or 0) - (before_micros or 0) if known else None,
    )


def _price_micros(model: catalog.Model, order: Order, terms: pricing.Terms, now: datetime) -> int | None:
    """What an order would cost with a model, media unseen; None when the model does not take it."""
    try:
        return model.quote(normalized_for(model, order).inputs, now, terms).expected_micros
    except GatewayError:
        return None
