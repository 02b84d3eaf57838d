"""The outcomes of the demo's uploads, as tables in the terminal."""

from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.table import Column, Table

from chalicelib.domain.predictions import Label
from chalicelib.domain.rules import Rules
from chalicelib.domain.text import printable
from labelwatch.local.mailbox import Mail
from labelwatch.local.outcomes import PREFIX, DeadLetterOutcome, PredictionOutcome
from labelwatch.report import Report
from labelwatch.shared.interest import NO_LABEL, NOT_OF_INTEREST
from labelwatch.shared.text import counted

MAX_IMAGES_SHOWN = 10


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


def show(console: Console, result: Result, counts: dict[str, int], rules: Rules) -> None:
    """Prints the tables; `counts` are the images of each label, by Athena."""
    console.print(_labels(result, counts, rules))
    console.print("One alert covers the images of a source in a batch, so that it can count for several labels.\n")
    _print_lines(console, "Uploads without a label", _other_outcomes(result))
    _print_lines(console, "Alerts", [mail.subject for mail in result.mails])


def show_totals(console: Console, result: Result, folder: Path, report: Report) -> None:
    """Prints the totals and the files to open."""
    accounted_for = len(result.uploaded) - len(result.unaccounted_for)
    outcomes = f"{counted(len(result.predictions), 'prediction')}, {counted(len(result.dead_letters), 'dead letter')}"
    console.print(f"\n{accounted_for} of {len(result.uploaded)} uploads accounted for: {outcomes}.", style="bold")
    console.print(
        f"Report, for a browser:      {report.page}\n"
        f"Alerts, for a mail program: {folder}/alerts/*.eml\n"
        f"Pie chart:                  {report.pie or 'none, as no label was detected'}\n"
        f"Rows:                       {folder}/{PREFIX}\n"
        "The local AWS has stopped, and the links in these alerts with it. Next: `make up`, where links work.",
        soft_wrap=True,
    )


def _labels(result: Result, counts: dict[str, int], rules: Rules) -> Table:
    """One row for each label, and the total of the alerts, which may cover several labels."""
    table = Table(
        Column("Label", overflow="fold"),
        *(Column(title, justify="right") for title in ("Images", "Below threshold", "Alerted images", "Alerts")),
        title="Detected labels",
        show_footer=True,
    )
    for label, images in counts.items():
        table.add_row(label, f"{images:,}", *_alerted(result, label, rules))
    for column, total in zip(table.columns, ("Alerts in all", "", "", "", str(len(result.mails))), strict=True):
        column.footer = total
    return table


def _alerted(result: Result, label: str, rules: Rules) -> tuple[str, str, str]:
    """How many images with this label are below its threshold, how many are in an alert, and in how many alerts."""
    if not rules.names(label):
        return NOT_OF_INTEREST, "", ""
    found = [
        (prediction, rules.is_of_interest(Label(name, confidence, None)))
        for prediction in result.predictions.values()
        for name, confidence in prediction.labels
        if name == label
    ]
    mails = [mail.file for prediction, of_interest in found if of_interest and (mail := result.alert_of(prediction))]
    return str(sum(not of_interest for _, of_interest in found)), str(len(mails)), str(len(set(mails)))


def _other_outcomes(result: Result) -> list[str]:
    outcomes = [
        f"{printable(key)}: {outcome}" for key in result.uploaded if (outcome := _outcome_without_label(result, key))
    ]
    more = len(outcomes) - MAX_IMAGES_SHOWN
    return outcomes[:MAX_IMAGES_SHOWN] + ([f"{more:,} more"] if more > 0 else [])


def _outcome_without_label(result: Result, key: str) -> str | None:
    if prediction := result.predictions.get(key):
        return None if prediction.labels else NO_LABEL
    if dead_letter := result.dead_letters.get(key):
        return f"dead letter, {dead_letter.reason} ({dead_letter.detail})"
    return "no outcome"


def _print_lines(console: Console, heading: str, lines: list[str]) -> None:
    """Lines, and no table: what a person copies stays whole."""
    console.print(heading, style="bold")
    for line in lines or ["none"]:
        console.print(f"  {line}", soft_wrap=True)
