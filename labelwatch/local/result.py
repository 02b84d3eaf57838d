"""The outcomes of the demo's uploads, as tables in the terminal."""

from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.table import Column, Table

from labelwatch.local.mailbox import Mail
from labelwatch.local.outcomes import PREFIX, DeadLetterOutcome, PredictionOutcome
from labelwatch.report import Report
from labelwatch.shared.text import counted

# What fits into a terminal of 80 columns, beside the rest.
_LONGEST_KEY = 32


class Result(Struct, frozen=True):
    """Outcomes by the keys of the images; uploads without an outcome yet are in neither."""

    uploaded: tuple[str, ...]
    predictions: dict[str, PredictionOutcome]
    dead_letters: dict[str, DeadLetterOutcome]
    mails: tuple[Mail, ...]

    @property
    def unaccounted_for(self) -> list[str]:
        """The uploads without an outcome, and those whose expected alert has not arrived."""
        return [key for key in self.uploaded if not self._is_accounted_for(key)]

    def alert_of(self, prediction: PredictionOutcome) -> Mail | None:
        """The alert of this prediction."""
        return next((mail for mail in self.mails if prediction.row_key in mail.predictions), None)

    def _is_accounted_for(self, key: str) -> bool:
        prediction = self.predictions.get(key)
        if prediction is None:
            return key in self.dead_letters
        return not prediction.alert_expected or self.alert_of(prediction) is not None


def show(console: Console, result: Result, counts: dict[str, int], folder: Path, report: Report) -> None:
    """Prints the tables, then the totals and the files to open."""
    console.print(_outcomes(result))
    console.print("\nathena/labels_by_count.sql, run by Athena:")
    console.print(_counts(counts))
    console.print(_alerts(result))
    console.print("Their links ended with this local AWS; those of `make up` work while it runs.")
    console.print(_dead_letters(result))
    accounted_for = len(result.uploaded) - len(result.unaccounted_for)
    pie = f"{report.pie.name} (the pie)" if report.pie else "no pie, since no image has a label"
    console.print(
        f"\n{accounted_for} of {len(result.uploaded)} images that were uploaded are accounted for.", style="bold"
    )
    console.print(
        f"{counted(len(result.predictions), 'prediction')}, {counted(len(result.mails), 'alert')}, "
        f"{counted(len(result.dead_letters), 'dead letter')}. Open, in any browser: {report.page}\n"
        f"In {folder}: alerts/*.eml for any mail program, {PREFIX} (the rows), {pie}.",
        soft_wrap=True,
    )


def _outcomes(result: Result) -> Table:
    """One row for all images with the same labels and the same need of an alert, with one image as an example."""
    groups: dict[tuple[str, bool], list[tuple[str, Mail | None]]] = {}
    for key in result.uploaded:
        prediction = result.predictions.get(key)
        mail = result.alert_of(prediction) if prediction else None
        groups.setdefault((_outcome(result, key), bool(mail)), []).append((key, mail))
    table = Table("images", "labels", "alerts", Column("such as", overflow="fold"), title="Outcomes of the images")
    for (outcome, _), members in groups.items():
        mails = {mail.file for _, mail in members if mail}
        table.add_row(str(len(members)), outcome, str(len(mails)), _shortened(members[0][0]))
    return table


def _outcome(result: Result, key: str) -> str:
    if prediction := result.predictions.get(key):
        return ", ".join(name for name, _ in prediction.labels) or "no label"
    return "dead letter" if key in result.dead_letters else "no outcome"


def _shortened(key: str) -> str:
    """The end of a key, which says more than its beginning."""
    return key if len(key) <= _LONGEST_KEY else f"…{key[1 - _LONGEST_KEY :]}"


def _alerts(result: Result) -> Table:
    table = Table("alert", "subject", title="Alerts")
    for mail in result.mails:
        table.add_row(mail.file.name[:3], mail.subject)
    return table


def _dead_letters(result: Result) -> Table:
    table = Table("image", "reason", "detail", title="Dead letters")
    for dead_letter in result.dead_letters.values():
        table.add_row(dead_letter.key, dead_letter.reason, dead_letter.detail)
    return table


def _counts(counts: dict[str, int]) -> Table:
    table = Table("label", "images")
    for label, images in counts.items():
        table.add_row(label, str(images))
    return table
