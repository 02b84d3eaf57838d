"""How long the model takes for so many images, and what that costs, by the figures of bench/."""

import math
from typing import NamedTuple

import msgspec
from msgspec import Struct

from chalicelib.settings import GENERAL_MODEL
from labelwatch.shared import pricing
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from labelwatch.shared.text import counted

CALLS = PROJECT / "bench" / "calls.json"
_CENT = 0.01


class Estimate(NamedTuple):
    """In words, and the hours that the last image waits; None for Rekognition's own labels, which need no units."""

    sentence: str
    hours: float | None


class _Calls(Struct):
    model_images_a_second: float


def estimate(images: int, model: str, units: int) -> Estimate:
    """Time and cost of the model alone; raises UserError where there is no price for so many."""
    known = pricing.known()
    if model == GENERAL_MODEL:
        try:
            usd = known.general_labels.of(images)
        except ValueError as problem:
            raise UserError(f"{problem}; send one prefix at a time.") from None
        return Estimate(f"Rekognition's own labels cost {_dollars(usd)} by the price of {known.region}.", None)
    rate = msgspec.json.decode(CALLS.read_bytes(), type=_Calls).model_images_a_second
    hours = images / (rate * units * 3600)
    usd = known.of({"model hours": hours * units})
    sentence = (
        f"About {_in_words(hours)} on {counted(units, 'inference unit')}, {_dollars(usd)} (price of {known.region}; it "
        f"assumes {rate:g} images a second for each unit: AWS gives no figure)."
    )
    return Estimate(sentence, hours)


def _in_words(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else counted(math.ceil(hours * 60), "minute")


def _dollars(usd: float) -> str:
    return f"{usd:,.2f} USD" if usd >= _CENT else "under 0.01 USD"
