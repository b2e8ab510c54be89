"""What `museway up` shows while it works: one line per phase, with its seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table


class Console:
    """Phases on a terminal turn while they run; elsewhere (a pipe, a log) each is one line when it is done."""

    def __init__(self, rich: RichConsole | None = None) -> None:
        self._rich = rich or RichConsole(highlight=False, stderr=False)
        self._started = time.monotonic()
        self.seconds: dict[str, float] = {}

    def say(self, text: str = "") -> None:
        """Print a line as it is."""
        self._rich.print(escape(text), soft_wrap=True)

    def show(self, table: Table) -> None:
        """Print a table, as wide as it needs to be where there is no terminal."""
        self._rich.print(table, crop=False)

    def problem(self, message: str, hint: str = "") -> None:
        """Print what went wrong and what to do."""
        self._rich.print(f"[bold red]error[/] {escape(message)}", soft_wrap=True)
        if hint:
            self._rich.print(f"      {escape(hint)}", soft_wrap=True)

    def elapsed_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show a phase while the block runs; the given function shows a detail beside it."""
        begun = time.monotonic()
        with self._rich.status(escape(title)) as status:
            yield lambda detail: status.update(f"{escape(title)} [dim]{escape(detail[:100])}[/]")
        self.seconds[title] = time.monotonic() - begun
        self._rich.print(f"[green]done[/] {escape(title):<48} [dim]{self.seconds[title]:5.1f} s[/]")
