"""`labelwatch report`: runs the queries, reads the images, draws the visuals, and writes the page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.adapters.s3 import object_address
from chalicelib.domain.text import printable
from labelwatch.analytics import Athena, Narrowing, explain_empty, load_query, narrow_query
from labelwatch.report import charts, counts, page
from labelwatch.report.charts import Rows
from labelwatch.report.page import AddressOf, Contents, Summary
from labelwatch.report.thumbnails import ACCESS_DENIED, Thumbnail, images_of, read_thumbnails
from labelwatch.report.visuals import Visual, load_visuals
from labelwatch.shared import interest
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

PIE = "labels_by_count"
SHARE = "images_without_label"
BOXES = "boxes_of_interest"
# The outputs and parameters that a stack must have.
OUTPUTS = (*interest.PARAMETERS, *counts.OUTPUTS)
_SECONDS_OF_A_WEEK = 7 * 24 * 3600

type Client = Callable[[str], Any]


class Report(NamedTuple):
    """The files, without labels no pie, and what could not be read."""

    page: Path
    pie: Path | None
    problems: Sequence[str] = ()


class Scope(NamedTuple):
    """The subject of a report: the stack's name, its outputs and parameters, and the days, labels and sources."""

    stack: str
    outputs: Mapping[str, str]
    narrowing: Narrowing


def write_report(  # noqa: PLR0913 - the parts of a report, by name
    client: Client,
    athena: Athena,
    scope: Scope,
    folder: Path,
    *,
    address_of: AddressOf | None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Report:
    """Writes report.html and labels.png into the folder; `on_step` is called with the current work.

    Raises UserError, and writes nothing, where no image has any of the labels.
    """

    def rows_of(name: str, narrowing: Narrowing = scope.narrowing) -> Rows:
        on_step(f"Running query {name}…")
        return athena.query(narrow_query(load_query(name), narrowing)).records

    answers = [(visual, rows_of(visual.name)) for visual in load_visuals()]
    if scope.narrowing.labels and not any(rows for _, rows in answers):
        explained, _ = explain_empty(athena, scope.narrowing)
        raise UserError(explained)  # the last report stays
    days = rows_of(SHARE, scope.narrowing._replace(labels=()))
    images = images_of(rows_of(BOXES))
    thumbnails = read_thumbnails(
        client("s3"), images, lambda count: on_step(f"Reading images… {count} of {len(images)}")
    )
    on_step("Counting alerts and dead letters…")
    outcomes = counts.outcome_figures(client, scope.outputs, scope.narrowing)
    summary = summarize(scope, answers, days, outcomes)._replace(problems=_problems(thumbnails, outcomes))
    contents = Contents(summary, answers, thumbnails, interest.rules_of(scope.outputs))
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.html"
    report.write_text(page.render(contents, address_of), encoding="utf-8")
    return Report(report, _pie(contents, folder), summary.problems)


def summarize(scope: Scope, answers: Sequence[tuple[Visual, Rows]], days: Rows, outcomes: Mapping[str, str]) -> Summary:
    """The text above the visuals, from the answers, the images of each day, and the outcomes beside predictions."""
    names = ("images", "of_interest", "without_label")
    images, of_interest, without = (sum(row[name] for row in days) for name in names)
    share = f" ({without / images:.0%})" if images else ""
    figures = {
        "predictions": f"{images:,}",
        "with a label of interest": f"{of_interest:,}",
        "below threshold or other labels": f"{images - of_interest - without:,}",
        "without a label": f"{without:,}{share}",
        **outcomes,
    }
    first_and_last = list(dict.fromkeys(row["day"] for row in (*days[:1], *days[-1:])))
    span = f"Images uploaded {' to '.join(first_and_last)} (UTC)." if first_and_last else "No images."
    if scope.narrowing.sources:
        span += f" Only sources: {', '.join(map(printable, scope.narrowing.sources))}."
    if scope.narrowing.labels:  # the number of images would include images with other labels only
        labels = {row["label"] for visual, rows in answers if visual.name == PIE for row in rows}
        figures = {"labels": f"{len(labels):,}"}
        span += f" Only labels: {', '.join(map(printable, scope.narrowing.labels))}."
    title, note = f"Labelwatch report: stack {scope.stack}", counts.note(scope.outputs) if outcomes else ""
    return Summary(title, span, scope.outputs["LabelsofInterest"], figures, note)


def _problems(thumbnails: Sequence[Thumbnail], outcomes: Mapping[str, str]) -> list[str]:
    """What could not be read, once for all images."""
    denied = {thumbnail.found.row["bucket"]: None for thumbnail in thumbnails if thumbnail.problem == ACCESS_DENIED}
    problems = [
        f"Access denied: s3:GetObject and s3:GetObjectVersion on bucket {bucket}. Pictures are missing. Ask for the "
        "permission, then run the command again."
        for bucket in denied
    ]
    if unknown := [name for name, figure in outcomes.items() if figure == counts.UNKNOWN]:
        problems.append(
            f"Not counted: {', '.join(unknown)}. Ask for dynamodb:Query on the stack's table and "
            "sqs:GetQueueAttributes on its dead-letter queues, then run the command again."
        )
    return problems


def _pie(contents: Contents, folder: Path) -> Path | None:
    picture = folder / "labels.png"
    for visual, rows in contents.answers:
        if visual.name == PIE and rows:
            picture.write_bytes(charts.png(visual, rows, contents.colours))
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
