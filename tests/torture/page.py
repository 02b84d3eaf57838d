"""The outcomes as a table in Markdown, which a terminal shows as well, and the page that it stands on."""

from pathlib import Path

from tests.torture.outcome import Outcome

_PAGE = Path(__file__).with_name("page.md")
_HEAD = (
    "scenario", "done to it", "images", "predictions", "dead letters", "lost", "alerts due", "told", "told twice",
    "not noted", "dead letters twice", "seconds",
)  # fmt: skip


def table(outcomes: list[Outcome]) -> str:
    """A row for each."""
    lines = [_HEAD, ("---",) * 2 + ("---:",) * (len(_HEAD) - 2), *(_cells(one) for one in outcomes)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def line(outcome: Outcome) -> str:
    """One line as soon as it is known."""
    cells = dict(zip(_HEAD, _cells(outcome), strict=True))
    wanted = ("images", "predictions", "dead letters", "lost", "alerts due", "told", "told twice", "seconds")
    return f"{outcome.name}: {', '.join(f'{cells[name]} {name}' for name in wanted)}"


def whole(outcomes: list[Outcome], about: str) -> str:
    """The page."""
    return _PAGE.read_text().replace("TABLE", table(outcomes)).replace("ABOUT", about)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    verdict = outcome.verdict
    done = ", ".join(f"{count:,} {kind}" for kind, count in outcome.mischief.items())
    lost = len(verdict.unaccounted_for) + len(verdict.not_notified) - outcome.unnoted
    figures = (
        verdict.images, verdict.predicted, verdict.dead_letters, lost, verdict.expected_alerts,
        verdict.notified + outcome.unnoted, outcome.told_twice, outcome.unnoted, outcome.letters_twice,
        round(outcome.seconds),
    )  # fmt: skip
    return (outcome.name, done, *(f"{figure:,}" for figure in figures))
