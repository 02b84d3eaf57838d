"""The state of a verification, which each check leaves for the checks after it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.rows import Row
from labelwatch.dead_letters import DeadLetter
from labelwatch.shared.interrupts import uninterrupted
from labelwatch.verify.alert_queue import ReceivedAlert
from labelwatch.verify.deployment import NO_MODEL, Deployment, Expected
from labelwatch.verify.picture import Picture

SECONDS_BETWEEN_POLLS = 0.5


@dataclass
class Run:
    """The deployment, what it is verified with, and what the checks have found so far.

    `presigned` is the presigned upload, `uploaded` the image's prediction by the model, `alerted` the prediction that
    an alert is expected of: by the model or, where that finds nothing to alert of, by this command. `has_waited` is
    whether some wait was in vain.
    """

    deployment: Deployment
    picture: Picture
    expected_label: str | None = None
    wait_seconds: float = 120
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    token: str = ""
    presigned: dict[str, Any] = field(default_factory=dict)
    model_runs: bool = False
    uploaded: Expected | None = None
    rows: list[Row] = field(default_factory=list)
    alerted: Expected | None = None
    is_published: bool = False
    alert: ReceivedAlert | None = None
    has_waited: bool = False
    # The keys of images whose dead letters were removed.
    dead: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.alert_queue = self.deployment.subscribe()

    @property
    def sent(self) -> Expected | None:
        """The prediction that this command has sent to notify, if it has."""
        return self.alerted if self.alerted and self.alerted.model == NO_MODEL else None

    def remove_dead_letters(self) -> list[DeadLetter]:
        """Deletes the dead letters of this command's images, and returns them."""
        with uninterrupted():  # an image whose dead letter is removed would look unfinished
            found = self.deployment.remove_dead_letters()
            self.dead.update(image.key for dead_letter in found for image in dead_letter.images)
        return found

    def wait(self, condition: Callable[[], object]) -> bool:
        """Whether the condition holds within the seconds to wait."""
        until = self.clock() + self.wait_seconds
        while not condition():
            if self.clock() >= until:
                self.has_waited = True
                return False
            self.pause(SECONDS_BETWEEN_POLLS)
        return True
