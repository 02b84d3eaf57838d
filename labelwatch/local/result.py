"""What became of a set of uploads, and how people see it."""

from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.table import Column, Table

from labelwatch.local.mailbox import Mail
from labelwatch.local.outcomes import PREFIX, DeadLetterImage, Predicted
from labelwatch.report import Report
from labelwatch.shared.text import counted

# What fits into a terminal of 80 columns, beside the rest.
_LONGEST_KEY = 32


class Result(Struct, frozen=True):
    """What became of the uploads: keys without a fate are missing in both lists."""

    uploaded: tuple[str, ...]
    predictions: dict[str, Predicted]
    dead_letters: dict[str, DeadLetterImage]
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
    """Prints the tables, and at last how many there are of what and where to look."""
    console.print(_fates(result))
    console.print("\nathena/labels_by_count.sql, asked through Athena:")
    console.print(_counts(counts))
    console.print(_alerts(result))
    console.print("Their links ended with this cloud; those of `make up` work while it runs.")
    console.print(_dead_letters(result))
    met = len(result.uploaded) - len(result.unaccounted)
    pie = f"{report.pie.name} (the pie)" if report.pie else "no pie, since no image has a label"
    console.print(f"\n{met} of {len(result.uploaded)} images that were uploaded are accounted for.", style="bold")
    console.print(
        f"{counted(len(result.predictions), 'prediction')}, {counted(len(result.mails), 'alert')}, "
        f"{counted(len(result.dead_letters), 'dead letter')}. Open, in any browser: {report.page}\n"
        f"In {folder}: alerts/*.eml for any mail program, {PREFIX} (the rows), {pie}.",
        soft_wrap=True,
    )


def _fates(result: Result) -> Table:
    """One row for all that have the same labels and are alerted of alike, with the first of them."""
    alike: dict[tuple[str, bool], list[tuple[str, Mail | None]]] = {}
    for key in result.uploaded:
        prediction = result.predictions.get(key)
        mail = result.alert_of(prediction) if prediction else None
        alike.setdefault((_fate(result, key), bool(mail)), []).append((key, mail))
    table = Table("images", "labels", "alerts", Column("such as", overflow="fold"), title="What became of the images")
    for (fate, _), members in alike.items():
        mails = {mail.file for _, mail in members if mail}
        table.add_row(str(len(members)), fate, str(len(mails)), _shortened(members[0][0]))
    return table


def _fate(result: Result, key: str) -> str:
    if prediction := result.predictions.get(key):
        return ", ".join(name for name, _ in prediction.labels) or "no label"
    return "dead letter" if key in result.dead_letters else "nothing heard"


def _shortened(key: str) -> str:
    """What a key ends with says more of it than what it starts with."""
    return key if len(key) <= _LONGEST_KEY else f"…{key[1 - _LONGEST_KEY :]}"


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
