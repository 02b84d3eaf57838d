"""The outcomes as a table in Markdown, for the terminal and for docs/reliability.md."""

from pathlib import Path

from tests.torture.outcome import Outcome

_PAGE = Path(__file__).with_name("page.md")
_HEAD = (
    "scenario", "disruptions", "images", "predictions", "dead letters", "lost", "alerts expected", "notified",
    "duplicate alerts", "not completed", "duplicate dead letters", "seconds",
)  # fmt: skip
_IN_LINE = (
    "images", "predictions", "dead letters", "lost", "alerts expected", "notified", "duplicate alerts", "seconds",
)  # fmt: skip


def table(outcomes: list[Outcome]) -> str:
    """A row for each outcome."""
    lines = [_HEAD, ("---",) * 2 + ("---:",) * (len(_HEAD) - 2), *map(_cells, outcomes)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def line(outcome: Outcome) -> str:
    """One line, for the terminal when the scenario ends."""
    cells = dict(zip(_HEAD, _cells(outcome), strict=True))
    return f"{outcome.name}: {', '.join(f'{cells[name]} {name}' for name in _IN_LINE)}"


def whole(outcomes: list[Outcome], about: str) -> str:
    """The page docs/reliability.md."""
    return _PAGE.read_text().replace("TABLE", table(outcomes)).replace("ABOUT", about)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    verdict = outcome.verdict
    disruptions = ", ".join(f"{count:,} {kind}" for kind, count in outcome.disruptions.items())
    lost = len(verdict.unaccounted_for) + len(verdict.not_notified) - outcome.not_completed
    figures = (
        verdict.images, verdict.predicted, verdict.dead_letters, lost, verdict.expected_alerts,
        verdict.notified + outcome.not_completed, outcome.duplicate_alerts,
        outcome.not_completed, outcome.duplicate_dead_letters, round(outcome.seconds),
    )  # fmt: skip
    return (outcome.name, disruptions, *(f"{figure:,}" for figure in figures))
