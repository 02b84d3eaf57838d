"""`labelwatch report`: runs the queries, draws the visuals, and writes the page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.adapters.s3 import object_address
from chalicelib.domain.text import printable
from labelwatch.analytics import Athena, Narrowing, explain_empty, load_query, narrow_query
from labelwatch.report import charts, page
from labelwatch.report.charts import Rows
from labelwatch.report.page import AddressOf, Summary
from labelwatch.report.visuals import Visual, load_visuals
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

PIE = "labels_by_count"
SHARE = "images_without_label"
_SECONDS_OF_A_WEEK = 7 * 24 * 3600


class Report(NamedTuple):
    """The files; without labels, no pie."""

    page: Path
    pie: Path | None


class Scope(NamedTuple):
    """The subject of a report: the stack's name and labels of interest, and the days, labels and sources."""

    stack: str
    labels_of_interest: str
    narrowing: Narrowing


def write_report(
    athena: Athena,
    scope: Scope,
    folder: Path,
    address_of: AddressOf | None,
    on_query: Callable[[str], None] = lambda _: None,
) -> Report:
    """Writes report.html and labels.png into the folder; `on_query` is called with the name of each query.

    Raises UserError, and writes nothing, where no image has any of the labels.
    """
    results = [(visual, _rows(athena, visual.name, scope.narrowing, on_query)) for visual in load_visuals()]
    if scope.narrowing.labels and not any(rows for _, rows in results):
        explained, _ = explain_empty(athena, scope.narrowing)
        raise UserError(explained)  # the last report stays
    days = _rows(athena, SHARE, scope.narrowing._replace(labels=()), on_query)
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.html"
    report.write_text(page.render(summarize(scope, results, days), results, address_of), encoding="utf-8")
    return Report(report, _pie(results, folder))


def _rows(athena: Athena, name: str, narrowing: Narrowing, on_query: Callable[[str], None]) -> Rows:
    on_query(name)
    return athena.query(narrow_query(load_query(name), narrowing)).records


def summarize(scope: Scope, results: Sequence[tuple[Visual, Rows]], days: Rows) -> Summary:
    """The text above the visuals, from the results and the images of each day."""
    images, without = (sum(row[name] for row in days) for name in ("images", "without_label"))
    labels = {row["label"] for visual, rows in results if visual.name == PIE for row in rows}
    figures = {"images": f"{images:,}", "labels": f"{len(labels):,}"}
    if images:
        figures["images without a label"] = f"{without:,} ({without / images:.0%})"
    first_and_last = list(dict.fromkeys(row["day"] for row in (*days[:1], *days[-1:])))
    span = f"Images uploaded {' to '.join(first_and_last)} (UTC)." if first_and_last else "No images."
    if scope.narrowing.sources:
        span += f" Only sources: {', '.join(map(printable, scope.narrowing.sources))}."
    if scope.narrowing.labels:  # the number of images would include images with other labels only
        figures = {"labels": figures["labels"]}
        span += f" Only labels: {', '.join(map(printable, scope.narrowing.labels))}."
    return Summary(f"Labelwatch report: stack {scope.stack}", span, scope.labels_of_interest, figures)


def _pie(results: Sequence[tuple[Visual, Rows]], folder: Path) -> Path | None:
    picture = folder / "labels.png"
    for visual, rows in results:
        if visual.name == PIE and rows:
            picture.write_bytes(charts.png(visual, rows, [row["label"] for row in rows]))
            return picture
    picture.unlink(missing_ok=True)  # from an earlier report
    return None


def picture_addresses(account: Account) -> AddressOf:
    """The address of a row's picture: in the S3 console, for people with access to the account.

    The local AWS, which alone is not reached by HTTPS, has no console: there it is a presigned link.
    """
    s3 = account.client("s3")

    def console_address(row: dict[str, Any]) -> str:
        return object_address(s3.meta.partition, account.region, row["bucket"], row["image"], row["version_id"])

    def presigned_address(row: dict[str, Any]) -> str:
        version = {"VersionId": row["version_id"]} if row["version_id"] else {}
        picture = {"Bucket": row["bucket"], "Key": row["image"]} | version
        return str(s3.generate_presigned_url("get_object", picture, ExpiresIn=_SECONDS_OF_A_WEEK))

    return presigned_address if s3.meta.endpoint_url.startswith("http:") else console_address
