"""The time that the model needs for a number of images, and its cost."""

import math
from typing import NamedTuple

from chalicelib.settings import GENERAL_MODEL
from labelwatch.shared import pricing
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import counted

_CENT = 0.01


class Estimate(NamedTuple):
    """A sentence, and the hours until the last image; None for Rekognition's general labels, which need no units."""

    sentence: str
    hours: float | None


def estimate(images: int, model: str, units: int) -> Estimate:
    """Time and cost of the model alone; raises UserError above the highest price tier."""
    prices = pricing.load()
    if model == GENERAL_MODEL:
        try:
            usd = prices.general_labels.cost(images)
        except ValueError as problem:
            raise UserError(f"No estimate: {problem}. Backfill one prefix at a time.") from None
        return Estimate(f"Estimate: {_dollars(usd)} (Rekognition's general labels, price of {prices.region}).", None)
    rate = pricing.MODEL_IMAGES_A_SECOND
    hours = images / (rate * units * 3600)
    usd = prices.cost({"model hours": hours * units})
    sentence = (
        f"Estimate: {_in_words(hours)} on {counted(units, 'inference unit')}, {_dollars(usd)} (price of "
        f"{prices.region}, assuming {rate:g} images per second and unit)."
    )
    return Estimate(sentence, hours)


def _in_words(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else counted(math.ceil(hours * 60), "minute")


def _dollars(usd: float) -> str:
    return f"{usd:,.2f} USD" if usd >= _CENT else "under 0.01 USD"
