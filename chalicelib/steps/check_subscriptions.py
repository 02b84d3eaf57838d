"""The check_subscriptions step: a metric of subscriptions that receive nothing, since AWS has none.

SNS disables an e-mail subscription that gets over 10 messages a second: it is unconfirmed from then on, and deleted
after 48 hours.
https://repost.aws/knowledge-center/sns-email-subscription-disabled
"""

from typing import Protocol

from msgspec import Struct

from chalicelib.telemetry import Telemetry


class Subscriptions(Protocol):
    """A topic's subscriptions. Raises a Fault where they cannot be read."""

    @property
    def topic(self) -> str:
        """The topic's ARN."""

    def unconfirmed(self) -> int:
        """The number of those that wait for a confirmation."""

    def has_email(self, address: str) -> bool:
        """Whether this address is subscribed, confirmed or not."""


class CheckSubscriptions(Struct, frozen=True):
    """The step; call it once an hour."""

    topics: tuple[Subscriptions, ...]
    address: str
    telemetry: Telemetry

    def __call__(self) -> None:
        """Counts the inactive subscriptions; raises a Fault, and counts nothing, where they cannot be read."""
        inactive = 0
        for topic in self.topics:
            unconfirmed, missing = topic.unconfirmed(), not topic.has_email(self.address)
            inactive += unconfirmed + missing
            if unconfirmed or missing:
                # Not the address: logs name no person.
                self.telemetry.warn(
                    "subscriptions inactive", topic=topic.topic, unconfirmed=unconfirmed, address_missing=missing
                )
        self.telemetry.count("SubscriptionsInactive", inactive)
