"""Filters: which alerts a subscriber hears of, as people say it and as SNS has it.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

import json
import shlex
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from chalicelib import settings
from chalicelib.domain.rules import ANY_LABEL, folded
from labelwatch.shared.errors import UserError

type Policy = dict[str, Any]

# https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
MAX_VALUES = 150


class Filter(NamedTuple):
    """Lets pass what has one of the labels and reaches the confidence; without either, everything."""

    labels: tuple[str, ...] = ()
    confidence: float | None = None

    @property
    def policy(self) -> Policy:
        """As SNS has it; empty where everything passes."""
        labels = [{"equals-ignore-case": form} for label in self.labels for form in _forms(label)]
        least = [{"numeric": [">=", self.confidence]}]
        return ({"labels": labels} if labels else {}) | ({} if self.confidence is None else {"confidence": least})

    @property
    def words(self) -> str:
        """As people say it."""
        parts = [" or ".join(self.labels)] if self.labels else []
        parts += [] if self.confidence is None else [f"from {self.confidence:g} %"]
        return ", ".join(parts) or "everything"

    @property
    def options(self) -> str:
        """As `labelwatch subscribe` takes it."""
        parts = [f"--label {shlex.quote(label)}" for label in self.labels]
        parts += [] if self.confidence is None else [f"--confidence {self.confidence:g}"]
        return " ".join(parts)


def wanted(labels: Sequence[str], confidence: float | None) -> Filter:
    """The filter that somebody asks for; raises UserError with what is wrong."""
    names = {folded(label): label for label in map(_checked, labels)}
    if confidence is not None and not 0 <= confidence <= 100:
        raise UserError(f"the confidence is {confidence:g} and must be a number from 0 to 100.")
    asked = Filter(tuple(names.values()), confidence)
    if len(asked.policy.get("labels", [])) > MAX_VALUES:
        raise UserError(f"{len(names)} labels are more than one filter of SNS takes; ask for fewer, or for all.")
    return asked


def read(policy: Policy) -> Filter | None:
    """The filter that has this policy; None where another hand made it."""
    try:
        labels = [one["equals-ignore-case"] for one in policy.get("labels", [])]
        names = {folded(label): label for label in labels}
        least = [float(one["numeric"][1]) for one in policy.get("confidence", [])]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
    found = Filter(tuple(names.values()), least[0] if least else None)
    return found if found.policy == policy else None


def in_words(policy: Policy) -> str:
    """What passes, for people; a policy of another hand as it is."""
    known = read(policy)
    return known.words if known else f"what passes {json.dumps(policy, ensure_ascii=False)}"


def unheard_of(labels: Sequence[str], of_interest: str) -> list[str]:
    """Those of the labels that no alert tells of while these are the stack's labels of interest."""
    try:
        known = {folded(one.name) for one in settings.labels_of_interest(of_interest)}
    except ValueError:  # the functions say so when they start
        return []
    return [label for label in labels if not {folded(label), ANY_LABEL} & known]


def _checked(text: str) -> str:
    label = text.strip()
    if label in {"", ANY_LABEL}:
        raise UserError("a label must have a name; leave --label out to hear of all.")
    if "," in label:
        raise UserError(f"{label!r} is no label; give each one a --label of its own.")
    # SNS wants these escaped twice in policies, and the labels of alerts have them once.
    if {'"', "\\"} & set(label) or not label.isprintable():
        raise UserError(
            f"SNS cannot filter by {label!r}: a quotation mark or a backslash is in it, or what no eye sees."
        )
    return label


def _forms(label: str) -> list[str]:
    """The two ways to write an accent: SNS, unlike Labelwatch, takes them for different names."""
    return sorted({unicodedata.normalize(form, label) for form in ("NFC", "NFD")})
