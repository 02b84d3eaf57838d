"""The outcomes as a table in Markdown for the terminal, and in lines of 100 characters for docs/reliability.md."""

import textwrap
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
# The columns of the two tables of the page.
_NUMBERS = ("scenario", "images", "predictions", "dead letters", "lost", "alerts expected", "notified")
_UNCERTAIN = ("scenario", "duplicate alerts", "not completed", "duplicate dead letters", "seconds")
_LINE_LENGTH = 100


def table(outcomes: list[Outcome], columns: tuple[str, ...] = _HEAD) -> str:
    """A row for each outcome, with these columns."""
    aligned = tuple("---" if column in {"scenario", "disruptions"} else "---:" for column in columns)
    rows = [dict(zip(_HEAD, _cells(outcome), strict=True)) for outcome in outcomes]
    lines = [columns, aligned, *(tuple(row[column] for column in columns) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def line(outcome: Outcome) -> str:
    """One line, for the terminal when the scenario ends."""
    cells = dict(zip(_HEAD, _cells(outcome), strict=True))
    return f"{outcome.name}: {', '.join(f'{cells[name]} {name}' for name in _IN_LINE)}"


def whole(outcomes: list[Outcome], about: str) -> str:
    """The page docs/reliability.md."""
    tables = [table(outcomes, _NUMBERS), table(outcomes, _UNCERTAIN)]
    disruptions = "\n".join(_wrapped(f"- {outcome.name}: {_disruptions(outcome)}") for outcome in outcomes)
    text = "\n\n".join([*tables, "The disruptions of each scenario:", disruptions])
    return _PAGE.read_text().replace("TABLE", text).replace("ABOUT", about)


def _wrapped(item: str) -> str:
    return textwrap.fill(item, _LINE_LENGTH, subsequent_indent="  ")


def _disruptions(outcome: Outcome) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in outcome.disruptions.items())


def _cells(outcome: Outcome) -> tuple[str, ...]:
    verdict = outcome.verdict
    lost = len(verdict.unaccounted_for) + len(verdict.not_notified) - outcome.not_completed
    figures = (
        verdict.images, verdict.predicted, verdict.dead_letters, lost, verdict.expected_alerts,
        verdict.notified + outcome.not_completed, outcome.duplicate_alerts,
        outcome.not_completed, outcome.duplicate_dead_letters, round(outcome.seconds),
    )  # fmt: skip
    return (outcome.name, _disruptions(outcome), *(f"{figure:,}" for figure in figures))
