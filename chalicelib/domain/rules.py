"""Thresholds: which labels of a prediction are worth an alert.

A label is worth an alert from its own threshold on (`leaf-smut:90`), or else from MinConfidence on; both are a
confidence from 0 to 100, and reaching it is enough.
"""

import unicodedata

from msgspec import Struct

from chalicelib.domain.predictions import Label, Prediction


class LabelOfInterest(Struct, frozen=True):
    """A label that is worth an alert; `*` is any label. Without a threshold of its own, MinConfidence counts."""

    name: str
    threshold: float | None = None


ANY_LABEL = "*"


class Rules(Struct, frozen=True):
    """The labels of interest, and the threshold (0 to 100) of those that have none of their own."""

    labels_of_interest: tuple[LabelOfInterest, ...]
    min_confidence: float

    @property
    def lowest_threshold(self) -> float:
        """The MinConfidence of a request to the model, which must not leave out a label with a lower threshold."""
        own = (label.threshold for label in self.labels_of_interest if label.threshold is not None)
        return min([self.min_confidence, *own])

    def names(self, label: str) -> bool:
        """Whether a label of interest has this name, or any label is of interest."""
        return self._match(label) is not None

    def is_of_interest(self, label: Label) -> bool:
        """Whether the label reached the threshold of a label of interest; the label's own name goes before `*`."""
        match = self._match(label.name)
        if match is None:
            return False
        return label.confidence >= (self.min_confidence if match.threshold is None else match.threshold)

    def _match(self, name: str) -> LabelOfInterest | None:
        by_name = {normalized_label(of_interest.name): of_interest for of_interest in self.labels_of_interest}
        return by_name.get(normalized_label(name)) or by_name.get(ANY_LABEL)

    def labels_to_alert(self, prediction: Prediction) -> tuple[Label, ...]:
        """The labels that are of interest, the surest first; empty where the prediction is worth no alert."""
        of_interest = filter(self.is_of_interest, prediction.labels)
        return tuple(sorted(of_interest, key=lambda label: -label.confidence))


def normalized_label(name: str) -> str:
    """The name in the form that is compared: without upper case, and with accents written in one of their two ways."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
