"""Why a label is of interest or not, in words for people."""

from collections.abc import Mapping
from typing import Any

from chalicelib import settings
from chalicelib.domain.predictions import Label
from chalicelib.domain.rules import Rules

# The parameters of a stack with its rules.
PARAMETERS = ("LabelsofInterest", "MinConfidence")
NO_LABEL = "no label"
OF_INTEREST = "yes"
BELOW_THRESHOLD = "below threshold"
NOT_OF_INTEREST = "not of interest"


def rules_of(outputs: Mapping[str, str]) -> Rules:
    """The rules of the stack with these outputs and parameters."""
    labels, threshold = (outputs[name] for name in PARAMETERS)
    return Rules(settings.labels_of_interest(labels), float(threshold))


def in_words(row: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """A query's row for people: words for a missing label, and for `of_interest`.

    The row was written with the rules of that time. The reason for its False is the threshold, if the threshold of
    today says so too.
    """
    words: dict[str, Any] = {}
    if "label" in row and row["label"] is None:
        words["label"] = NO_LABEL
    if isinstance(row.get("of_interest"), bool):
        words["of_interest"] = _interest(row, rules)
    return {**row, **words}


def _interest(row: Mapping[str, Any], rules: Rules) -> str:
    if row["of_interest"]:
        return OF_INTEREST
    label, confidence = row.get("label"), row.get("confidence")
    if label is None or confidence is None or not rules.names(label):
        return NOT_OF_INTEREST
    return NOT_OF_INTEREST if rules.is_of_interest(Label(label, confidence)) else BELOW_THRESHOLD
