"""Modules of the checkout, for the commands that need more than the wheel.

They are named, not imported: the client must not depend on the checkout that it is part of.
"""

from importlib import import_module
from typing import Any

from museway.errors import NotConfigured


def checkout_module(name: str) -> Any:
    """A module of the checkout's `infra`. Raises NotConfigured where there is no checkout, or half of one."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise NotConfigured(
                "There is no Museway checkout here, only the client.",
                code="no_checkout",
                hint="Clone the project, run `make setup` in it, then use `.venv/bin/museway`.",
            ) from None
        raise NotConfigured(
            f"The checkout's environment lacks the package {error.name!r}.",
            code="incomplete_setup",
            hint="Run `make setup` in the checkout.",
        ) from None
