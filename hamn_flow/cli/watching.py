"""What happens, told while it happens: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from hamn_flow.cli.paper import Paper, rendered
from hamn_flow.model.events import Event
from hamn_flow.model.run import PlannedStep
from hamn_flow.report.line import seconds_text
from hamn_flow.report.telling import Telling

Watch = Callable[[Event], None]


@contextmanager
def watching(paper: Paper, clock: Callable[[], datetime], steps: tuple[PlannedStep, ...] = ()) -> Iterator[Watch]:
    """A function to be told each event; on a terminal the last line shows what is under way, and for how long."""
    telling = Telling(steps)
    if paper.told.isatty() and os.environ.get("TERM") != "dumb":
        with _live(paper, clock, telling) as watch:
            yield watch
    else:
        yield lambda event: paper.tell(telling.tell(event, clock(), paper.width))


@contextmanager
def _live(paper: Paper, clock: Callable[[], datetime], telling: Telling) -> Iterator[Watch]:
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots")

    def under_way() -> Spinner:
        now = telling.now
        said = f"{seconds_text((clock() - now.since).total_seconds()):>8}  {now.text}" if now else ""
        spinner.update(text=Text(said, no_wrap=True, overflow="ellipsis"))
        return spinner

    console = Console(file=paper.told, highlight=False, markup=False)

    def watch(event: Event) -> None:
        for each in telling.tell(event, clock(), paper.width):
            console.print(Text.from_ansi(rendered(each, paper.told)), soft_wrap=True)

    # What is printed meanwhile, also by others, is put above the live line.
    with Live(console=console, get_renderable=under_way, refresh_per_second=8, transient=True):
        yield watch
