"""Which labels of a prediction are worth an alert."""

import unicodedata

from msgspec import Struct

from chalicelib.domain.predictions import Label, Prediction


class LabelOfInterest(Struct, frozen=True):
    """A label that somebody wants to hear of; `*` is any label. Without a threshold of its own MinConfidence counts."""

    name: str
    threshold: float | None = None


ANY_LABEL = "*"


class Rules(Struct, frozen=True):
    """The labels of interest and the confidence (0 to 100) that counts where a label has no threshold of its own."""

    labels_of_interest: tuple[LabelOfInterest, ...]
    min_confidence: float

    @property
    def lowest_threshold(self) -> float:
        """What the model is asked for: a label with a lower threshold of its own must not be lost at the model."""
        own = (wanted.threshold for wanted in self.labels_of_interest if wanted.threshold is not None)
        return min([self.min_confidence, *own])

    def is_of_interest(self, label: Label) -> bool:
        """Whether the label reached the threshold of a label of interest; a name of its own goes before `*`."""
        wanted = {folded(one.name): one for one in self.labels_of_interest}
        match = wanted.get(folded(label.name)) or wanted.get(ANY_LABEL)
        if match is None:
            return False
        return label.confidence >= (self.min_confidence if match.threshold is None else match.threshold)

    def worth_an_alert(self, prediction: Prediction) -> tuple[Label, ...]:
        """The labels that somebody wants to hear of, the surest first; empty where there is nothing to tell."""
        found = filter(self.is_of_interest, prediction.labels)
        return tuple(sorted(found, key=lambda label: -label.confidence))


def folded(name: str) -> str:
    """The name as names are compared: upper and lower case are the same, and so are the two ways to write an accent."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
