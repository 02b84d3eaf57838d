"""The watch step: AWS has no metric for a subscription that is unconfirmed or was switched off, so this is one.

SNS switches an e-mail subscription off that gets over 10 messages a second: it is unconfirmed again, and gone after
48 hours.
https://repost.aws/knowledge-center/sns-email-subscription-disabled
"""

from typing import Protocol

from msgspec import Struct

from chalicelib.telemetry import Telemetry


class Subscriptions(Protocol):
    """A topic's subscriptions. Raises a Fault where they cannot be asked for."""

    @property
    def topic(self) -> str:
        """The topic's ARN."""

    def unconfirmed(self) -> int:
        """How many wait for a confirmation."""

    def has_email(self, address: str) -> bool:
        """Whether this address is subscribed, confirmed or not."""


class CheckSubscriptions(Struct, frozen=True):
    """The step; call it from time to time."""

    topics: tuple[Subscriptions, ...]
    address: str
    telemetry: Telemetry

    def __call__(self) -> None:
        """Counts the subscriptions that tell nobody; raises a Fault, and counts nothing, where it cannot know."""
        silent = 0
        for topic in self.topics:
            unconfirmed, missing = topic.unconfirmed(), not topic.has_email(self.address)
            silent += unconfirmed + missing
            if unconfirmed or missing:
                # Not the address: logs name no person.
                self.telemetry.warn(
                    "subscriptions inactive", topic=topic.topic, unconfirmed=unconfirmed, address_missing=missing
                )
        self.telemetry.count("SubscriptionsInactive", silent)
