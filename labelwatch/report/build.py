"""`labelwatch report`: asks the queries, draws the visuals, writes the page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.adapters.s3 import object_address
from labelwatch.analytics import queries
from labelwatch.analytics.athena import Athena
from labelwatch.analytics.output import value
from labelwatch.analytics.queries import Narrowing
from labelwatch.report import charts, page
from labelwatch.report.charts import Rows
from labelwatch.report.page import Address, Told
from labelwatch.report.visuals import Visual, defined
from labelwatch.shared.account import Account
from labelwatch.shared.text import printable

PIE = "labels_by_count"
SHARE = "images_without_label"


class Report(NamedTuple):
    """The files; no pie where there is no label."""

    page: Path
    pie: Path | None


class Asked(NamedTuple):
    """Of what the report is: the name of the stack, its labels of interest, the days and labels."""

    stack: str
    labels_of_interest: str
    to: Narrowing


def make(
    athena: Athena, asked: Asked, folder: Path, address: Address | None, watch: Callable[[str], None] = lambda _: None
) -> Report:
    """Writes report.html and labels.png into the folder; `watch` hears which query is asked."""
    visuals = defined()
    answers = [(visual, _rows(athena, visual.name, asked.to, watch)) for visual in visuals]
    days = _rows(athena, SHARE, asked.to._replace(labels=()), watch)
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.html"
    report.write_text(page.render(told(asked, answers, days), answers, address), encoding="utf-8")
    return Report(report, _pie(answers, folder))


def _rows(athena: Athena, name: str, to: Narrowing, watch: Callable[[str], None]) -> Rows:
    watch(name)
    answer = athena.ask(queries.narrowed(queries.named(name), to))
    return [
        {column: value(cell, kind) for column, cell, kind in zip(answer.columns, row, answer.types, strict=True)}
        for row in answer.rows
    ]


def told(asked: Asked, answers: Sequence[tuple[Visual, Rows]], days: Rows) -> Told:
    """What stands above the visuals, from the answers and the images of each day."""
    images, without = (sum(row[name] for row in days) for name in ("images", "without_label"))
    seen = {row["label"] for visual, rows in answers if visual.name == PIE for row in rows}
    figures = {"images": f"{images:,}", "different labels": f"{len(seen):,}"}
    if images:
        figures["images without a label"] = f"{without:,} ({without / images:.0%})"
    known = list(dict.fromkeys(row["day"] for row in (*days[:1], *days[-1:])))
    span = f"Images of {' to '.join(known)} (UTC)." if known else "No images."
    if asked.to.labels:  # then the images are of no account: most have other labels
        figures = {"different labels": figures["different labels"]}
        span += f" Only {', '.join(map(printable, asked.to.labels))}."
    return Told(f"Labelwatch report: stack {asked.stack}", span, asked.labels_of_interest, figures)


def _pie(answers: Sequence[tuple[Visual, Rows]], folder: Path) -> Path | None:
    picture = folder / "labels.png"
    for visual, rows in answers:
        if visual.name == PIE and rows:
            picture.write_bytes(charts.png(visual, rows, [row["label"] for row in rows]))
            return picture
    picture.unlink(missing_ok=True)  # of an earlier report
    return None


def in_the_console(account: Account) -> Address:
    """Where a row's picture is, for those who may look into the account."""
    partition = account.client("s3").meta.partition

    def address(row: dict[str, Any]) -> str:
        return object_address(partition, account.region, row["bucket"], row["image"], row["version_id"])

    return address
