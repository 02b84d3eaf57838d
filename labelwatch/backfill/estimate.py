"""How long the model takes for so many images, and what that costs."""

import math
from typing import NamedTuple

from chalicelib.settings import GENERAL_MODEL
from labelwatch.shared import pricing
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import counted

_CENT = 0.01


class Estimate(NamedTuple):
    """In words, and the hours that the last image waits; None for Rekognition's own labels, which need no units."""

    sentence: str
    hours: float | None


def estimate(images: int, model: str, units: int) -> Estimate:
    """Time and cost of the model alone; raises UserError where there is no price for so many."""
    prices = pricing.load()
    if model == GENERAL_MODEL:
        try:
            usd = prices.general_labels.cost(images)
        except ValueError as problem:
            raise UserError(f"{problem}; send one prefix at a time.") from None
        return Estimate(f"Rekognition's own labels cost {_dollars(usd)} by the price of {prices.region}.", None)
    rate = pricing.MODEL_IMAGES_A_SECOND
    hours = images / (rate * units * 3600)
    usd = prices.cost({"model hours": hours * units})
    sentence = (
        f"About {_in_words(hours)} on {counted(units, 'inference unit')}, {_dollars(usd)} (price of {prices.region}; "
        f"it assumes {rate:g} images a second for each unit: AWS gives no figure)."
    )
    return Estimate(sentence, hours)


def _in_words(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else counted(math.ceil(hours * 60), "minute")


def _dollars(usd: float) -> str:
    return f"{usd:,.2f} USD" if usd >= _CENT else "under 0.01 USD"
