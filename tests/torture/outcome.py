"""The outcome of a scenario, by the audit's comparison and by the mails that arrived."""

from __future__ import annotations

import time
from collections import Counter

from msgspec import Struct

from labelwatch.audit import compare
from labelwatch.audit.compare import Found, Verdict
from labelwatch.audit.read import Scope
from tests.torture.calls import DEAD_LETTER
from tests.torture.environment import Environment

SECONDS_FOR_MAIL = 20


class Outcome(Struct, frozen=True):
    """`duplicate_alerts` are beyond the first of a prediction, `duplicate_dead_letters` beyond the first of an image.

    `not_completed` alerts were sent, and their records do not say so. All three have their reasons in
    UncertainOutcomes; `faults` must be empty.
    """

    name: str
    seconds: float
    verdict: Verdict
    duplicate_dead_letters: int
    duplicate_alerts: int
    not_completed: int
    disruptions: dict[str, int]
    faults: list[str]


def outcome_of(
    environment: Environment,
    name: str,
    prefix: str,
    seconds: float,
    *,
    disruptions: Counter[str],
    explained: Counter[str],
) -> Outcome:
    """Of the uploads under the prefix; `explained` are the duplicates that the disruptions permit. Queues are empty."""
    found = environment.reader.read(Scope(prefix=prefix))
    verdict = compare.compare(found)
    expected = _expected_alerts(found)
    _wait_for_mail(environment, set(expected))
    mails = mails_of(environment)
    not_completed = environment.uncertain.not_completed() & mails.keys()
    dead_letters = [dead_letter for dead_letter in found.image_dead_letters if dead_letter.key.startswith(prefix)]
    duplicates = len(dead_letters) - len({(dead_letter.key, dead_letter.version_id) for dead_letter in dead_letters})
    unexplained = environment.uncertain.unexplained
    return Outcome(
        name=name,
        seconds=seconds,
        verdict=verdict,
        duplicate_dead_letters=duplicates,
        duplicate_alerts=sum(mails[id_] - 1 for id_ in expected if mails[id_] > 1),
        not_completed=sum(prediction.id in not_completed for prediction in verdict.not_notified),
        disruptions=dict(sorted(disruptions.items())),
        faults=[
            *faults_of_verdict(verdict, not_completed),
            *faults_of_mails(found, mails, explained, unexplained),
            *faults_of_dead_letters(duplicates, explained, unexplained),
        ],
    )


def faults_of_verdict(verdict: Verdict, not_completed: frozenset[str]) -> list[str]:
    """The audit's findings, but for the alerts that a disruption kept from being completed."""
    return [
        *(f"unaccounted for: {image}" for image in verdict.unaccounted_for),
        *(f"record not completed: {alert}" for alert in verdict.not_notified if alert.id not in not_completed),
        *(f"rows without an upload: {prediction}" for prediction in verdict.rows_without_upload),
        *(
            [f"{verdict.images_also_dead_letters} images have a prediction and a dead letter"]
            if verdict.images_also_dead_letters
            else []
        ),
        *([f"{verdict.in_progress} messages are in the queues"] if verdict.in_progress else []),
    ]


def faults_of_mails(found: Found, mails: Counter[str], explained: Counter[str], unexplained: set[str]) -> list[str]:
    """Each expected alert must arrive, and each duplicate must be explained; `mails` counts by the prediction's id."""
    expected = _expected_alerts(found)
    return [
        *(f"no mail: {image}" for id_, image in expected.items() if not mails[id_]),
        *(f"unexplained duplicate alert: {expected[id_]}" for id_ in sorted(expected.keys() & unexplained)),
        *(f"{mails[id_]} mails: {image}" for id_, image in expected.items() if mails[id_] > 1 + explained[id_]),
    ]


def faults_of_dead_letters(duplicates: int, explained: Counter[str], unexplained: set[str]) -> list[str]:
    """Each dead letter beyond the first of an image must be explained."""
    reasons = sum(count for id_, count in explained.items() if id_.startswith(DEAD_LETTER))
    return [
        *(f"unexplained duplicate: {id_}" for id_ in sorted(unexplained) if id_.startswith(DEAD_LETTER)),
        *([f"{duplicates} duplicate dead letters, {reasons} explained"] if duplicates > reasons else []),
    ]


def mails_of(environment: Environment) -> Counter[str]:
    """How many mails each prediction is in, by its id."""
    return Counter(
        row.rpartition("/")[2].removesuffix(".json")
        for mail in environment.session.mailbox.mails
        for row in mail.predictions
    )


def _expected_alerts(found: Found) -> dict[str, str]:
    """The predictions with a label of interest, by their ids."""
    return {prediction.id: str(prediction) for prediction in found.predictions if prediction.of_interest}


def _wait_for_mail(environment: Environment, expected: set[str]) -> None:
    """Mail arrives a little after the queues are empty; an alert that does not arrive is a fault."""
    until = time.monotonic() + SECONDS_FOR_MAIL
    while not expected <= mails_of(environment).keys() and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(1.5)  # a duplicate would have arrived by then
