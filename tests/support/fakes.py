"""Hand-written fakes of the steps' ports: they keep the arguments of their calls, and fail when a test says so."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from chalicelib.domain.alerts import Alert
from chalicelib.domain.errors import Fault
from chalicelib.domain.idempotency import RecordState
from chalicelib.domain.images import ImageReference, ObjectCreated
from chalicelib.domain.links import PictureLink
from chalicelib.domain.messages import Message
from chalicelib.domain.model import ModelState
from chalicelib.domain.pages import SignedPicture
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.tokens import AuthorizedClient, TokenCredential
from chalicelib.domain.uploads import PresignedPut, UploadRecord
from chalicelib.queues.batch import Batch
from chalicelib.queues.day_limit import DayLimit
from chalicelib.telemetry import METRICS
from tests.support.builders import MODEL, NOW, image, message, notification, s3_record


class Failing:
    """Raises `fault`, if there is one, at every call."""

    fault: Exception | None = None

    def _fail(self) -> None:
        if self.fault:
            raise self.fault


class FakeQueue(Failing):
    """A queue to send to, and the source of a batch."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.deleted: list[str] = []
        self.delays: dict[str, int] = {}
        self.unsendable: dict[str, Fault] = {}

    def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
        self._fail()
        failed = {
            index: fault for index, body in enumerate(bodies) for part, fault in self.unsendable.items() if part in body
        }
        self.sent += [body for index, body in enumerate(bodies) if index not in failed]
        return failed

    def delete(self, messages: Sequence[Message]) -> None:
        self._fail()
        self.deleted += [message.id for message in messages]

    def delay(self, message: Message, seconds: int) -> None:
        self._fail()
        self.delays[message.id] = seconds


class FakeDeadLetters(Failing):
    """Keeps reason and image of one dead letter for each message; `before` is called before each."""

    def __init__(self) -> None:
        self.sent: dict[str, tuple[str, str]] = {}
        self.before: Callable[[], object] = lambda: None

    def send(self, message: Message, fault: Fault, image: str) -> bool:
        self._fail()
        self.before()
        new = message.id not in self.sent
        self.sent[message.id] = (fault.reason, image)
        return new


class FakeImages(Failing):
    """Every object exists, of 1 KiB, unless `objects` says otherwise."""

    def __init__(self) -> None:
        self.objects: dict[str, ImageReference | Fault] = {}

    def head(self, created: ObjectCreated) -> ImageReference:
        self._fail()
        found = self.objects.get(created.key, image(created.key, bucket=created.bucket, version_id=created.version_id))
        if isinstance(found, Fault):
            raise found
        return found


class FakeModel(Failing):
    """Detects a leaf-smut of 95 in everything, unless `answers` says otherwise."""

    name = MODEL

    def __init__(self) -> None:
        self.answers: dict[str, tuple[Label, ...] | Exception] = {}
        self.requests: list[tuple[str, float]] = []

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        self._fail()
        self.requests.append((image.key, min_confidence))
        answer = self.answers.get(image.key, (Label("leaf-smut", 95.0),))
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeStore(Failing):
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.suppressed: set[str] = set()
        self.refused: dict[str, Fault] = {}

    def has(self, key: str, *, notify: bool) -> bool:
        self._fail()
        return key in self.objects and not (notify and key in self.suppressed)

    def get(self, key: str) -> bytes | None:
        self._fail()
        return self.objects.get(key)

    def put(self, key: str, content: bytes, *, notify: bool) -> None:
        self._fail()
        for part, fault in self.refused.items():
            if part in content.decode():
                raise fault
        self.objects[key] = content
        (self.suppressed.discard if notify else self.suppressed.add)(key)


class FakePictureLinks:
    """A link for each prediction unless `missing` has its key."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.requested: list[Prediction] = []

    def __call__(self, predictions: Sequence[Prediction]) -> dict[str, str]:
        self.requested += predictions
        return {
            prediction.id: f"https://link/p/{prediction.image.key}"
            for prediction in predictions
            if prediction.image.key not in self.missing
        }


class FakeApi(Failing):
    def __init__(self) -> None:
        self.address: str | None = "https://api"

    def find(self) -> str | None:
        self._fail()
        return self.address


class FakeLinks(Failing):
    """Keeps the links by the hash of their id; those of a row key in `unstorable` are refused."""

    def __init__(self) -> None:
        self.stored: dict[str, PictureLink] = {}
        self.unstorable: dict[str, Fault] = {}
        self.finds: list[str] = []

    def add(self, link: PictureLink) -> None:
        self._fail()
        if fault := self.unstorable.get(link.row_key):
            raise fault
        self.stored[link.digest] = link

    def find(self, digest: str) -> PictureLink | None:
        self._fail()
        self.finds.append(digest)
        return self.stored.get(digest)

    def all(self) -> list[PictureLink]:
        return list(self.stored.values())

    def revoke(self, digest: str) -> bool:
        self._fail()
        return self.stored.pop(digest, None) is not None


class FakePictures(Failing):
    """Every picture exists but those in `deleted`; keeps what was signed."""

    def __init__(self) -> None:
        self.deleted: set[str] = set()
        self.signed: list[tuple[str, str, str | None]] = []

    def sign(self, bucket: str, key: str, version_id: str | None, now: datetime) -> SignedPicture | None:
        self._fail()
        self.signed.append((bucket, key, version_id))
        if key in self.deleted:
            return None
        return SignedPicture(f"https://{bucket}.s3/{key}?signed", "image/jpeg", now + timedelta(minutes=5))

    def console(self, bucket: str, key: str, version_id: str | None) -> str:
        return f"https://console/{bucket}/{key}/{version_id}"


class FakeTopic(Failing):
    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.refused: dict[str, Fault] = {}

    def publish(self, alert: Alert) -> None:
        self._fail()
        if fault := self.refused.get(str(alert.attributes["source"])):
            raise fault
        self.alerts.append(alert)


class FakeIdempotencyRecords(Failing):
    """`locks` has owner and end of each record in progress, `completed` the time of each that is completed.

    `write_fault` is the fault of complete and release, of the first `failing_writes` of them.
    """

    def __init__(self) -> None:
        self.locks: dict[str, tuple[str, datetime]] = {}
        self.completed: dict[str, datetime] = {}
        self.write_fault: Fault | None = None
        self.failing_writes = 1000

    def acquire(
        self, record_id: str, owner: str, now: datetime, until: datetime, since: datetime | None = None
    ) -> RecordState:
        self._fail()
        completed = self.completed.get(record_id)
        if completed and (since is None or completed > since):
            return RecordState.COMPLETED
        self.completed.pop(record_id, None)
        holder, end = self.locks.get(record_id, (owner, now))
        if holder != owner and end >= now:
            return RecordState.IN_PROGRESS
        self.locks[record_id] = (owner, until)
        return RecordState.ACQUIRED

    def complete(self, record_id: str, now: datetime) -> None:
        self._fail_write()
        assert self.locks[record_id][1] > now
        self.completed[record_id] = now

    def release(self, record_id: str, owner: str) -> None:
        self._fail_write()
        if self.locks[record_id][0] == owner:
            del self.locks[record_id]

    def _fail_write(self) -> None:
        self.failing_writes -= 1
        if self.write_fault and self.failing_writes >= 0:
            raise self.write_fault


class FakeSigner(Failing):
    def __init__(self) -> None:
        self.signed: list[tuple[str, str, int, int]] = []

    def sign(self, key: str, content_type: str, size: int, seconds: int) -> PresignedPut:
        self._fail()
        self.signed.append((key, content_type, size, seconds))
        return PresignedPut(f"https://images.s3/{key}", {"Content-Type": content_type})


class FakeUploads(Failing):
    """Counts uploads of each client and day."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.records: list[UploadRecord] = []

    def count(self, client: AuthorizedClient, now: datetime) -> bool:
        self._fail()
        if self.counts[client.name, f"{now:%Y-%m-%d}"] >= client.uploads_per_day:
            return False
        self.counts[client.name, f"{now:%Y-%m-%d}"] += 1
        return True

    def add(self, record: UploadRecord) -> None:
        self._fail()
        self.records.append(record)


class FakeTokens(Failing):
    """The tokens of `known` are in force; their values are the times of their last use."""

    def __init__(self) -> None:
        self.known: dict[TokenCredential, datetime | None] = {}

    def use(self, credential: TokenCredential, now: datetime) -> AuthorizedClient | None:
        self._fail()
        if credential not in self.known:
            return None
        self.known[credential] = now
        return AuthorizedClient(credential.client, uploads_per_day=7)


class FakeSubscriptions(Failing):
    """A topic to which these addresses are subscribed, and on which so many subscriptions wait."""

    def __init__(self, addresses: set[str], pending: int = 0, topic: str = "arn:of:alerts") -> None:
        self.topic = topic
        self._addresses = addresses
        self._pending = pending

    def unconfirmed(self) -> int:
        self._fail()
        return self._pending

    def has_email(self, address: str) -> bool:
        self._fail()
        return address in self._addresses


class FakeEventSource(Failing):
    """Lambda polls while `enabled`."""

    def __init__(self) -> None:
        self.enabled = True

    def enable(self) -> bool:
        return self._change(enabled=True)

    def disable(self) -> bool:
        return self._change(enabled=False)

    def _change(self, *, enabled: bool) -> bool:
        self._fail()
        changed, self.enabled = enabled is not self.enabled, enabled
        return changed


class FakeBacklog(Failing):
    """`images` wait behind the bodies of `others`, each by its message's id, which are received first.

    What was received stays hidden until the test takes it out of `hidden`; one of the images stands for all.
    """

    IMAGE = "image"

    def __init__(self) -> None:
        self.images = 0
        self.others: dict[str, str] = {}
        self.hidden: dict[str, int] = {}
        self.receives: Counter[str] = Counter()
        self.undelayable: Fault | None = None

    def waiting(self) -> int:
        self._fail()
        return self.images + len(self.others)

    def receive(self, hidden_seconds: int) -> Message | None:
        self._fail()
        bodies = self.others | ({self.IMAGE: notification(s3_record())} if self.images else {})
        visible = [message_id for message_id in bodies if message_id not in self.hidden]
        if not visible:
            return None
        message_id = visible[0]
        self.hidden[message_id] = hidden_seconds
        self.receives[message_id] += 1
        return message(bodies[message_id], message_id, self.receives[message_id])

    def delete(self, messages: Sequence[Message]) -> None:
        self._fail()
        for deleted in messages:
            del self.others[deleted.id]

    def delay(self, message: Message, seconds: int) -> None:
        if self.undelayable:
            raise self.undelayable
        self.hidden[message.id] = seconds
        if not seconds:
            del self.hidden[message.id]


class FakeModelVersion(Failing):
    """A model that is started and stopped at once; `unstartable` fails only there."""

    name = MODEL

    def __init__(self, state: str = "STOPPED") -> None:
        self.state = state
        self.calls: list[str] = []
        self.unstartable: Fault | None = None

    def status(self) -> str:
        self._fail()
        return self.state

    def start(self) -> bool:
        if self.unstartable:
            raise self.unstartable
        return self._change("start", {"STOPPED", "TRAINING_COMPLETED"}, "STARTING")

    def stop(self) -> bool:
        return self._change("stop", {"RUNNING"}, "STOPPING")

    def _change(self, call: str, allowed: set[str], state: str) -> bool:
        if self.state not in allowed:
            return False
        self.calls.append(call)
        self.state = state
        return True


class FakeModelStates(Failing):
    def __init__(self) -> None:
        self.state = ModelState()
        self.writes = 0
        self._used: datetime | None = None

    def load(self) -> ModelState:
        self._fail()
        return self.state

    def save(self, state: ModelState, instead_of: ModelState) -> bool:
        self._fail()
        if self.state.counted_until not in {None, instead_of.counted_until}:
            return False
        self.state = state
        self.writes += 1
        return True

    def record(self, now: datetime) -> None:
        self._fail()
        self._used = now

    def last_used(self) -> datetime | None:
        return self._used


class FakeImageCounts(Failing):
    """The images of each day; `writes` has each change of them, and `give_back_fault` is that of a smaller count."""

    def __init__(self) -> None:
        self.days: Counter[date] = Counter()
        self.writes: list[int] = []
        self.give_back_fault: Fault | None = None

    def of(self, day: date) -> int:
        self._fail()
        return self.days[day]

    def add(self, day: date, images: int) -> int:
        self._fail()
        if images < 0 and self.give_back_fault:
            raise self.give_back_fault
        self.writes.append(images)
        self.days[day] += images
        return self.days[day]


class FakeTelemetry:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.times: list[tuple[str, float]] = []
        self.log: list[tuple[str, dict[str, object]]] = []

    def count(self, name: str, value: int = 1) -> None:
        assert name in METRICS, name
        self.counts[name] += value

    def time(self, name: str, milliseconds: float) -> None:
        assert name in METRICS, name
        self.times.append((name, milliseconds))

    def info(self, event: str, **fields: object) -> None:
        self.log.append((event, fields))

    def warn(self, event: str, **fields: object) -> None:
        self.log.append((event, fields))


def day_limit(counts: FakeImageCounts, most: int = 0, now: Callable[[], datetime] = lambda: NOW) -> DayLimit:
    return DayLimit(counts=counts, most=most, now=now)


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
