"""Filters of alerts: as options of the command, as a filter policy of SNS, and in words.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

import json
import math
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib import settings
from chalicelib.domain.rules import ANY_LABEL, normalized_label
from labelwatch.shared.errors import UserError

type Policy = dict[str, Any]

# Of combinations: the numbers of values of all attributes are multiplied.
# https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
MAX_VALUES = 150


class Filter(NamedTuple):
    """Passes alerts with any of the labels, at least the confidence, and any of the sources; empty is no limit."""

    labels: tuple[str, ...] = ()
    confidence: float | None = None
    sources: tuple[str, ...] = ()

    @property
    def policy(self) -> Policy:
        """The filter policy for SNS; empty where all alerts pass."""
        labels = [{"equals-ignore-case": form} for label in self.labels for form in _forms(label)]
        minimum = [{"numeric": [">=", self.confidence]}]
        conditions: Policy = {
            "labels": labels,
            "confidence": [] if self.confidence is None else minimum,
            "source": list(self.sources),
        }
        return {name: rules for name, rules in conditions.items() if rules}

    def passes(self, attributes: Mapping[str, Any]) -> bool:
        """Whether SNS delivers an alert with these message attributes."""
        labels = set(map(normalized_label, attributes["labels"]))
        return (
            (not self.labels or not labels.isdisjoint(map(normalized_label, self.labels)))
            and (self.confidence is None or attributes["confidence"] >= self.confidence)
            and (not self.sources or attributes["source"] in self.sources)
        )

    @property
    def description(self) -> str:
        """The filter for people."""
        parts = [" or ".join(self.labels)] if self.labels else []
        parts += [] if self.confidence is None else [f"confidence {self.confidence:g} % or more"]
        parts += [f"source {' or '.join(self.sources)}"] if self.sources else []
        return ", ".join(parts) or "none"

    @property
    def options(self) -> str:
        """The options of `labelwatch subscribe` for this filter."""
        parts = [f"--label {shlex.quote(label)}" for label in self.labels]
        parts += [] if self.confidence is None else [f"--confidence {self.confidence:g}"]
        parts += [f"--source {shlex.quote(source)}" for source in self.sources]
        return " ".join(parts)


def parse_filter(labels: Sequence[str], confidence: float | None, sources: Sequence[str] = ()) -> Filter:
    """The filter of these options; raises UserError where SNS does not support the filter."""
    names = {normalized_label(label): label for label in map(_checked, labels)}
    if confidence is not None:
        check_confidence(confidence)
    for source in sources:
        if not source.strip() or not source.isprintable():
            raise UserError(f"--source {source!r} is not a source. Omit --source to get the alerts of all sources.")
    parsed = Filter(tuple(names.values()), confidence, tuple(dict.fromkeys(sources)))
    if math.prod(map(len, parsed.policy.values())) > MAX_VALUES:
        raise UserError(
            f"Labels times sources exceed the limit of an SNS filter policy: {MAX_VALUES} combinations, where a "
            "label with an accent counts twice. Use fewer --label or --source options."
        )
    return parsed


def check_confidence(confidence: float) -> None:
    """Raises UserError where this is no confidence; under 1 percent, a fraction was meant."""
    if confidence != 0 and not 1 <= confidence <= 100:
        raise UserError(
            f"--confidence '{confidence:g}' is not a percentage. Use 0, or a number from 1 to 100 (90, not 0.9)."
        )


def from_policy(policy: Policy) -> Filter | None:
    """The filter that has this policy; None where another tool made the policy."""
    try:
        labels = [rule["equals-ignore-case"] for rule in policy.get("labels", [])]
        names = {normalized_label(label): label for label in labels}
        minimums = [float(rule["numeric"][1]) for rule in policy.get("confidence", [])]
        sources = tuple(map(_text, policy.get("source", [])))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
    parsed = Filter(tuple(names.values()), minimums[0] if minimums else None, sources)
    return parsed if parsed.policy == policy else None


def describe(policy: Policy) -> str:
    """The filter of this policy, for people; the policy of another tool unchanged."""
    known = from_policy(policy)
    return known.description if known else f"policy {json.dumps(policy, ensure_ascii=False)}"


def labels_without_alerts(labels: Sequence[str], labels_of_interest: str) -> list[str]:
    """The labels that no alert has while the stack has these labels of interest."""
    try:
        known = {normalized_label(rule.name) for rule in settings.labels_of_interest(labels_of_interest)}
    except ValueError:  # the functions report it when they start
        return []
    return [label for label in labels if not {normalized_label(label), ANY_LABEL} & known]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _checked(text: str) -> str:
    label = text.strip()
    if label in {"", ANY_LABEL}:
        raise UserError(f"--label {text!r} is not a label. Omit --label to get all alerts.")
    if "," in label:
        raise UserError(f"--label {label!r} contains a comma. Repeat --label for each label.")
    # SNS needs these escaped twice in policies, and the labels of alerts have them escaped once.
    if {'"', "\\"} & set(label) or not label.isprintable():
        raise UserError(
            f"--label {label!r} contains a quotation mark, a backslash or an invisible character. SNS cannot filter by "
            "this label. Omit --label to get all alerts."
        )
    return label


def _forms(label: str) -> list[str]:
    """The two forms of an accent in Unicode, which SNS, unlike Labelwatch, does not treat as equal."""
    return sorted({unicodedata.normalize(form, label) for form in ("NFC", "NFD")})
