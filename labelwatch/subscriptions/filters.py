"""Filters: the alerts that a subscriber gets, as options of the command, as SNS's filter policy, and in words.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

import json
import shlex
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from chalicelib import settings
from chalicelib.domain.rules import ANY_LABEL, normalized_label
from labelwatch.shared.errors import UserError

type Policy = dict[str, Any]

# https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
MAX_VALUES = 150


class Filter(NamedTuple):
    """Passes alerts that have one of the labels and reach the confidence; without either, all alerts."""

    labels: tuple[str, ...] = ()
    confidence: float | None = None

    @property
    def policy(self) -> Policy:
        """The filter policy for SNS; empty where all alerts pass."""
        labels = [{"equals-ignore-case": form} for label in self.labels for form in _forms(label)]
        minimum = [{"numeric": [">=", self.confidence]}]
        return ({"labels": labels} if labels else {}) | ({} if self.confidence is None else {"confidence": minimum})

    @property
    def description(self) -> str:
        """The filter for people."""
        parts = [" or ".join(self.labels)] if self.labels else []
        parts += [] if self.confidence is None else [f"from {self.confidence:g} %"]
        return ", ".join(parts) or "everything"

    @property
    def options(self) -> str:
        """The options of `labelwatch subscribe` that make this filter."""
        parts = [f"--label {shlex.quote(label)}" for label in self.labels]
        parts += [] if self.confidence is None else [f"--confidence {self.confidence:g}"]
        return " ".join(parts)


def parse_filter(labels: Sequence[str], confidence: float | None) -> Filter:
    """The filter of these options; raises UserError where SNS could not filter by them."""
    names = {normalized_label(label): label for label in map(_checked, labels)}
    if confidence is not None and not 0 <= confidence <= 100:
        raise UserError(f"the confidence is {confidence:g} and must be a number from 0 to 100.")
    parsed = Filter(tuple(names.values()), confidence)
    if len(parsed.policy.get("labels", [])) > MAX_VALUES:
        raise UserError(f"{len(names)} labels are more than one filter of SNS takes; ask for fewer, or for all.")
    return parsed


def from_policy(policy: Policy) -> Filter | None:
    """The filter that has this policy; None where another tool made the policy."""
    try:
        labels = [rule["equals-ignore-case"] for rule in policy.get("labels", [])]
        names = {normalized_label(label): label for label in labels}
        minimums = [float(rule["numeric"][1]) for rule in policy.get("confidence", [])]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
    parsed = Filter(tuple(names.values()), minimums[0] if minimums else None)
    return parsed if parsed.policy == policy else None


def describe(policy: Policy) -> str:
    """The alerts that pass, for people; the policy of another tool as it is."""
    known = from_policy(policy)
    return known.description if known else f"what passes {json.dumps(policy, ensure_ascii=False)}"


def labels_without_alerts(labels: Sequence[str], labels_of_interest: str) -> list[str]:
    """The labels that no alert has while the stack has these labels of interest."""
    try:
        known = {normalized_label(rule.name) for rule in settings.labels_of_interest(labels_of_interest)}
    except ValueError:  # the functions report it when they start
        return []
    return [label for label in labels if not {normalized_label(label), ANY_LABEL} & known]


def _checked(text: str) -> str:
    label = text.strip()
    if label in {"", ANY_LABEL}:
        raise UserError("a label must have a name; leave --label out to hear of all.")
    if "," in label:
        raise UserError(f"{label!r} is no label; give each one a --label of its own.")
    # SNS needs these escaped twice in policies, and the labels of alerts have them escaped once.
    if {'"', "\\"} & set(label) or not label.isprintable():
        raise UserError(
            f"SNS cannot filter by {label!r}: a quotation mark or a backslash is in it, or what no eye sees."
        )
    return label


def _forms(label: str) -> list[str]:
    """The two forms of an accent in Unicode: SNS, unlike Labelwatch, takes them for different names."""
    return sorted({unicodedata.normalize(form, label) for form in ("NFC", "NFD")})
