"""Prices of AWS, as prices.yaml beside this file has them, and the speed of a model that AWS does not publish."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

FILE = Path(__file__).with_name("prices.yaml")
# An assumption: AWS gives no figure for an inference unit, it depends on the model and the images.
MODEL_IMAGES_A_SECOND = 4

# Amounts by name, such as `s3 HeadObject`: the first word is the group that they are summed up in.
type Amounts = dict[str, float]
type Evidence = Literal["memory", "third party", "checked"]


def load() -> "Prices":
    """The prices of the file."""
    return msgspec.yaml.decode(FILE.read_bytes(), type=Prices)


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """So many USD for so many of the unit."""

    usd: float
    per: float
    unit: str
    evidence: Evidence
    page: str


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """So many images at that price each; the images after them have the next step's."""

    usd: float
    images: int


class SteppedPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """A price that falls with the number of images."""

    evidence: Evidence
    page: str
    steps: tuple[Step, ...]

    def cost(self, images: int) -> float:
        """What so many images cost, in USD; raises ValueError where there are more than the steps reach."""
        total = 0.0
        for step in self.steps:
            images_in_step = min(images, step.images)
            total += step.usd * images_in_step
            images -= images_in_step
        if images:
            raise ValueError(f"{FILE.name} has no price for so many images")
        return total


class Prices(Struct, frozen=True, forbid_unknown_fields=True):
    """All prices, and which of them each amount has."""

    region: str
    date: dt.date
    prices: dict[str, Price]
    general_labels: SteppedPrice
    amounts: dict[str, str | None]

    def cost(self, amounts: Mapping[str, float]) -> float:
        """What the amounts cost in all, in USD."""
        return sum(self.costs_by_group(amounts).values())

    def costs_by_group(self, amounts: Mapping[str, float]) -> dict[str, float]:
        """What the amounts cost, in USD, by the first words of their names."""
        costs: dict[str, float] = {}
        for name, amount in amounts.items():
            group = name.partition(" ")[0]
            costs[group] = costs.get(group, 0) + self._cost_of_amount(name, amount)
        return costs

    def _cost_of_amount(self, name: str, amount: float) -> float:
        if name not in self.amounts:
            raise ValueError(f"{FILE.name} does not say which price `{name}` has")
        key = self.amounts[name]
        return self.prices[key].usd * amount / self.prices[key].per if key else 0
