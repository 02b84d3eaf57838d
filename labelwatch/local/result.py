"""What became of a set of uploads, and how people see it."""

from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.table import Column, Table

from labelwatch.local.fates import PREFIX, Predicted, SetAside
from labelwatch.local.mailbox import Mail
from labelwatch.report.making import Report
from labelwatch.text import counted


class Result(Struct, frozen=True):
    """What became of the uploads: keys without a fate are missing in both lists."""

    uploaded: tuple[str, ...]
    predictions: dict[str, Predicted]
    dead_letters: dict[str, SetAside]
    mails: tuple[Mail, ...]

    @property
    def unaccounted(self) -> list[str]:
        """The uploads of which nothing was heard, and those whose alert has not come."""
        return [key for key in self.uploaded if not self._has_met_its_fate(key)]

    def alert_of(self, prediction: Predicted) -> Mail | None:
        """The alert that tells of this prediction."""
        return next((mail for mail in self.mails if prediction.row_key in mail.predictions), None)

    def _has_met_its_fate(self, key: str) -> bool:
        prediction = self.predictions.get(key)
        if prediction is None:
            return key in self.dead_letters
        return not prediction.alert_due or self.alert_of(prediction) is not None


def show(console: Console, result: Result, counts: dict[str, int], folder: Path, report: Report) -> None:
    """Prints the tables, and where the alerts, the rows and the report are."""
    console.print(_fates(result))
    console.print(_alerts(result))
    console.print(_dead_letters(result))
    console.print("\nathena/labels_by_count.sql, asked through Athena:")
    console.print(_counts(counts))
    console.print(
        f"{counted(len(result.mails), 'alert')}, for any mail program: {folder / 'alerts'}/*.eml", soft_wrap=True
    )
    console.print("  (their links ended with this cloud; those of `make up` work while it runs)")
    console.print(f"The rows, as the output bucket has them: {folder / PREFIX}/dt=*/*.json", soft_wrap=True)
    pie = report.pie or "none, since no image has a label"
    console.print(f"The report, for any browser: {report.page}\nIts pie chart: {pie}", soft_wrap=True)
    met = len(result.uploaded) - len(result.unaccounted)
    console.print(f"{met} of {len(result.uploaded)} images that were uploaded are accounted for.", style="bold")


def _fates(result: Result) -> Table:
    table = Table(
        Column("image", overflow="fold"), Column("labels", no_wrap=True), "alerted", title="What became of the images"
    )
    for key in result.uploaded:
        prediction = result.predictions.get(key)
        if prediction is None:
            table.add_row(key, "dead letter" if key in result.dead_letters else "nothing heard", "no")
            continue
        labels = ", ".join(f"{name} {confidence:.1f} %" for name, confidence in prediction.labels)
        mail = result.alert_of(prediction)
        table.add_row(key, labels or "no label", f"in {mail.file.name[:3]}" if mail else "no")
    return table


def _alerts(result: Result) -> Table:
    table = Table("alert", "subject", title="Alerts")
    for mail in result.mails:
        table.add_row(mail.file.name[:3], mail.subject)
    return table


def _dead_letters(result: Result) -> Table:
    table = Table("image", "reason", "detail", title="Dead letters")
    for letter in result.dead_letters.values():
        table.add_row(letter.key, letter.reason, letter.detail)
    return table


def _counts(counts: dict[str, int]) -> Table:
    table = Table("label", "images")
    for label, images in counts.items():
        table.add_row(label, str(images))
    return table
