"""Hand-written fakes of the steps' ports: they keep what they were given, and fail when a test says so."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from chalicelib.domain.alerts import Alert, Picture
from chalicelib.domain.errors import Fault
from chalicelib.domain.idempotency import RecordState
from chalicelib.domain.images import ImageReference, ObjectCreated
from chalicelib.domain.messages import Message
from chalicelib.domain.model import ModelState
from chalicelib.domain.predictions import Label
from chalicelib.domain.tokens import TokenCredential
from chalicelib.domain.uploads import PresignedPost
from chalicelib.queues.batch import Batch
from tests.support.builders import MODEL, image


class Failing:
    """Raises `fault`, if there is one, at every call."""

    fault: Exception | None = None

    def _fail_if_told(self) -> None:
        if self.fault:
            raise self.fault


class FakeQueue(Failing):
    """A queue as an outbox and as the source of a batch."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.deleted: list[str] = []
        self.delays: dict[str, int] = {}
        self.unsendable: dict[str, Fault] = {}

    def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
        self._fail_if_told()
        failed = {
            place: fault for place, body in enumerate(bodies) for part, fault in self.unsendable.items() if part in body
        }
        self.sent += [body for place, body in enumerate(bodies) if place not in failed]
        return failed

    def delete(self, messages: Sequence[Message]) -> None:
        self._fail_if_told()
        self.deleted += [message.id for message in messages]

    def delay(self, message: Message, seconds: int) -> None:
        self._fail_if_told()
        self.delays[message.id] = seconds


class FakeDeadLetters(Failing):
    """Keeps one for each message; `before` is called before each."""

    def __init__(self) -> None:
        self.letters: dict[str, tuple[str, str]] = {}
        self.before: Callable[[], object] = lambda: None

    def put(self, message: Message, fault: Fault, image: str) -> bool:
        self._fail_if_told()
        self.before()
        new = message.id not in self.letters
        self.letters[message.id] = (fault.reason, image)
        return new


class FakeImages(Failing):
    """Every object is there, of 1 KiB, unless `objects` says otherwise."""

    def __init__(self) -> None:
        self.objects: dict[str, ImageReference | Fault] = {}

    def head(self, created: ObjectCreated) -> ImageReference:
        self._fail_if_told()
        found = self.objects.get(created.key, image(created.key, bucket=created.bucket, version_id=created.version_id))
        if isinstance(found, Fault):
            raise found
        return found


class FakeModel(Failing):
    """Sees a leaf-smut of 95 in everything, unless `answers` says otherwise."""

    name = MODEL

    def __init__(self) -> None:
        self.answers: dict[str, tuple[Label, ...] | Exception] = {}
        self.asked: list[tuple[str, float]] = []

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        self._fail_if_told()
        self.asked.append((image.key, min_confidence))
        answer = self.answers.get(image.key, (Label("leaf-smut", 95.0),))
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeStore(Failing):
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.quiet: set[str] = set()
        self.refused: dict[str, Fault] = {}

    def has(self, key: str, *, notify: bool) -> bool:
        self._fail_if_told()
        return key in self.objects and not (notify and key in self.quiet)

    def put(self, key: str, content: bytes, *, notify: bool) -> None:
        self._fail_if_told()
        for part, fault in self.refused.items():
            if part in content.decode():
                raise fault
        self.objects[key] = content
        (self.quiet.discard if notify else self.quiet.add)(key)


class FakePictures(Failing):
    def __init__(self) -> None:
        self.unsignable: dict[str, Fault] = {}

    def picture(self, image: ImageReference) -> Picture:
        self._fail_if_told()
        if image.key in self.unsignable:
            raise self.unsignable[image.key]
        return Picture(f"https://link/{image.key}", 6, f"https://console/{image.key}")


class FakeTopic(Failing):
    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def publish(self, alert: Alert) -> None:
        self._fail_if_told()
        self.alerts.append(alert)


class FakeIdempotencyRecords(Failing):
    """Remembers who claimed what, until when, and what was told; `unnotable` fails at what comes after the claim.

    `bad_moments` is how often, where it does not do so for good.
    """

    def __init__(self) -> None:
        self.claimed: dict[str, tuple[str, datetime]] = {}
        self.remembered: dict[str, datetime] = {}
        self.unnotable: Fault | None = None
        self.bad_moments = 1000

    def claim(
        self, prediction: str, owner: str, now: datetime, until: datetime, since: datetime | None = None
    ) -> RecordState:
        self._fail_if_told()
        if prediction in self.remembered and (since is None or self.remembered[prediction] > since):
            return RecordState.COMPLETED
        self.remembered.pop(prediction, None)
        holder, end = self.claimed.get(prediction, (owner, now))
        if holder != owner and end >= now:
            return RecordState.IN_PROGRESS
        self.claimed[prediction] = (owner, until)
        return RecordState.ACQUIRED

    def told(self, prediction: str, now: datetime) -> None:
        self._fail_to_note()
        assert self.claimed[prediction][1] > now
        self.remembered[prediction] = now

    def release(self, prediction: str) -> None:
        self._fail_to_note()
        self.claimed.pop(prediction, None)

    def _fail_to_note(self) -> None:
        self.bad_moments -= 1
        if self.unnotable and self.bad_moments >= 0:
            raise self.unnotable


class FakeSigner(Failing):
    def __init__(self) -> None:
        self.signed: list[tuple[str, str, int]] = []

    def sign(self, key: str, content_type: str, seconds: int) -> PresignedPost:
        self._fail_if_told()
        self.signed.append((key, content_type, seconds))
        return PresignedPost("https://images.s3/", {"key": key})


class FakeTokens(Failing):
    """Knows the claims of `known`, with the time of their last use."""

    def __init__(self) -> None:
        self.known: dict[TokenCredential, datetime | None] = {}

    def use(self, claim: TokenCredential, now: datetime) -> bool:
        self._fail_if_told()
        if claim not in self.known:
            return False
        self.known[claim] = now
        return True


class FakeSubscriptions(Failing):
    """A topic to which these addresses are subscribed, and on which so many subscriptions wait."""

    def __init__(self, addresses: set[str], pending: int = 0, topic: str = "arn:of:alerts") -> None:
        self.topic = topic
        self._addresses = addresses
        self._pending = pending

    def unconfirmed(self) -> int:
        self._fail_if_told()
        return self._pending

    def has_email(self, address: str) -> bool:
        self._fail_if_told()
        return address in self._addresses


class FakeEventSource(Failing):
    """Images are taken, until somebody turns that off."""

    def __init__(self) -> None:
        self.on = True

    def turn(self, *, on: bool) -> bool:
        self._fail_if_told()
        changed, self.on = on is not self.on, on
        return changed


class FakeBacklog(Failing):
    def __init__(self) -> None:
        self.images = 0

    def waiting(self) -> int:
        self._fail_if_told()
        return self.images


class FakeModelVersion(Failing):
    """A model that is started and stopped at once; `unstartable` fails only there."""

    name = MODEL

    def __init__(self, state: str = "STOPPED") -> None:
        self.state = state
        self.calls: list[str] = []
        self.unstartable: Fault | None = None

    def status(self) -> str:
        self._fail_if_told()
        return self.state

    def start(self) -> bool:
        if self.unstartable:
            raise self.unstartable
        return self._change("start", {"STOPPED", "TRAINING_COMPLETED"}, "STARTING")

    def stop(self) -> bool:
        return self._change("stop", {"RUNNING"}, "STOPPING")

    def _change(self, action: str, allowed: set[str], state: str) -> bool:
        if self.state not in allowed:
            return False
        self.calls.append(action)
        self.state = state
        return True


class FakeModelStates(Failing):
    def __init__(self) -> None:
        self.state = ModelState()
        self.writes = 0
        self._used: datetime | None = None

    def load(self) -> ModelState:
        self._fail_if_told()
        return self.state

    def save(self, state: ModelState, instead_of: ModelState) -> bool:
        self._fail_if_told()
        if self.state.counted_until not in {None, instead_of.counted_until}:
            return False
        self.state = state
        self.writes += 1
        return True

    def used(self, now: datetime) -> None:
        self._fail_if_told()
        self._used = now

    def last_used(self) -> datetime | None:
        return self._used


class FakeTelemetry:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.times: list[tuple[str, float]] = []
        self.log: list[tuple[str, dict[str, object]]] = []

    def count(self, name: str, value: int = 1) -> None:
        self.counts[name] += value

    def time(self, name: str, milliseconds: float) -> None:
        self.times.append((name, milliseconds))

    def info(self, event: str, **fields: object) -> None:
        self.log.append((event, fields))

    def warn(self, event: str, **fields: object) -> None:
        self.log.append((event, fields))


def batch_of(
    queue: FakeQueue, dead_letters: FakeDeadLetters, telemetry: FakeTelemetry, *, partial_responses: bool = True
) -> Batch:
    return Batch(
        queue=queue,
        dead_letters=dead_letters,
        telemetry=telemetry,
        partial_responses=partial_responses,
        retry_seconds=30,
        defer_seconds=300,
    )
