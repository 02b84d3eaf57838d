"""Prices, as bench/prices.yaml has them."""

import datetime as dt
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from labelwatch.shared.project import PROJECT

FILE = PROJECT / "bench" / "prices.yaml"

# Amounts by name, such as `s3 HeadObject`: the first word is the group that they are summed up in.
type Amounts = dict[str, float]
type Known = Literal["memory", "third party", "checked"]


def known() -> "Prices":
    """Those of the file."""
    return msgspec.yaml.decode(FILE.read_bytes(), type=Prices)


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """So many USD for so many of the unit."""

    usd: float
    per: float
    unit: str
    known: Known
    page: str


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """So many images at that price each; those after them have the next step's."""

    usd: float
    images: int


class Steps(Struct, frozen=True, forbid_unknown_fields=True):
    """A price that falls with the number of images."""

    known: Known
    page: str
    steps: tuple[Step, ...]

    def of(self, images: int) -> float:
        """What so many cost; raises ValueError where there are more than the steps go."""
        total = 0.0
        for step in self.steps:
            here = min(images, step.images)
            total += step.usd * here
            images -= here
        if images:
            raise ValueError("bench/prices.yaml has no price for so many images")
        return total


class Prices(Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, and which amounts they are for."""

    region: str
    date: dt.date
    prices: dict[str, Price]
    general_labels: Steps
    amounts: dict[str, str | None]

    def of(self, amounts: Mapping[str, float]) -> float:
        """What these cost in all."""
        return sum(self._of_one(name, amount) for name, amount in amounts.items())

    def by_group(self, amounts: Mapping[str, float]) -> dict[str, float]:
        """What these cost, by the first words of their names."""
        costs: dict[str, float] = {}
        for name, amount in amounts.items():
            group = name.partition(" ")[0]
            costs[group] = costs.get(group, 0) + self._of_one(name, amount)
        return costs

    def _of_one(self, name: str, amount: float) -> float:
        if name not in self.amounts:
            raise ValueError(f"bench/prices.yaml does not say which price `{name}` has")
        key = self.amounts[name]
        return self.prices[key].usd * amount / self.prices[key].per if key else 0
