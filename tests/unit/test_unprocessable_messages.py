"""A poison message never takes its neighbours with it: any mixture, in any order, in batches of both functions."""

import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import BatchIncomplete, ModelNotRunning, Rejected, Retryable
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label
from chalicelib.queues.batch import BatchResponse, messages_of
from chalicelib.steps.detect import Detect, encoded
from chalicelib.steps.notify import Notify
from tests.support.builders import NOW, message, notification, prediction, rules, s3_record, sqs_event
from tests.support.fakes import (
    FakeDeadLetters,
    FakeEventSource,
    FakeIdempotencyRecords,
    FakeImages,
    FakeModel,
    FakeModelStates,
    FakePictures,
    FakeQueue,
    FakeStore,
    FakeTelemetry,
    FakeTopic,
    batch_of,
)

SMUT = Label("leaf-smut", 97.0)
FAULTS = [
    Retryable("ThrottlingException", "slow down"),
    ModelNotRunning("ResourceNotReadyException", "stopped"),
    Rejected("InvalidImageFormatException", "no image"),
    KeyError("a bug"),
]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
deep = st.sampled_from(["[", '{"x":']).map(lambda opening: '{"x":' + opening * 100_000)
# Surrogates, which are no text: SQS does not take them, but nothing here relies on that.
lone_surrogates = st.text(st.characters(categories=["Cs"]), min_size=1)
texts = st.text() | anything.map(json.dumps) | deep | lone_surrogates


@st.composite
def altered(draw: st.DrawFn, body: str) -> str:
    """A good body of which one member has another value, or none, or which is cut short."""
    content = json.loads(body)
    parent = content
    while isinstance(parent, dict | list) and parent:
        member = draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        if not isinstance(parent[member], dict | list) or draw(st.booleans()):
            break
        parent = parent[member]
    if draw(st.booleans()):
        parent[member] = draw(anything)
    else:
        del parent[member]
    whole = json.dumps(content)
    return whole[: draw(st.integers(1, len(whole)))] if draw(st.booleans()) else whole


events_of_s3 = altered(notification(s3_record("altered.jpg")))
predictions = altered(encoded(prediction(SMUT, key="altered.jpg")))
# How many good messages come before each poison message, and the body of that one.
mixtures = st.lists(st.tuples(st.integers(0, 2), texts | events_of_s3 | predictions), min_size=1, max_size=4)


class Bench:
    """Both steps with a fake in each port."""

    def __init__(self, *, partial: bool) -> None:
        self.images, self.model, self.store = FakeImages(), FakeModel(), FakeStore()
        self.images_queue, self.predictions_queue, self.topic = FakeQueue(), FakeQueue(), FakeTopic()
        self.source, self.dead_letters, self.telemetry = FakeQueue(), FakeDeadLetters(), FakeTelemetry()
        self.partial = partial
        batch = batch_of(self.source, self.dead_letters, self.telemetry, partial_responses=partial)
        self.detect = Detect(
            images=self.images,
            model=self.model,
            stored_rows=self.store,
            images_queue=self.images_queue,
            predictions_queue=self.predictions_queue,
            event_source=FakeEventSource(),
            model_use=FakeModelStates(),
            rules=rules(("*", 60)),
            own_buckets=frozenset({"predictions"}),
            batch=batch,
            telemetry=self.telemetry,
            now=lambda: NOW,
        )
        self.notify = Notify(
            row_store=self.store,
            pictures=FakePictures(),
            topic=self.topic,
            records=FakeIdempotencyRecords(),
            rules=rules(("*", 60)),
            batch=batch,
            telemetry=self.telemetry,
            now=lambda: NOW + timedelta(seconds=1),
        )

    def settled(self, step: Callable[[list[Message], float], BatchResponse], messages: list[Message]) -> dict[str, str]:
        """The outcome of each message by its id: finished, comes back, or the reason of its dead letter."""
        returned = self._returned(step, messages)
        assert set(self.source.delays) == returned
        assert not returned & set(self.dead_letters.sent)
        return {
            message.id: "comes back" if message.id in returned
            else self.dead_letters.sent[message.id][0] if message.id in self.dead_letters.sent
            else "finished"
            for message in messages
        }  # fmt: skip

    def _returned(self, step: Callable[[list[Message], float], BatchResponse], messages: list[Message]) -> set[str]:
        """The ids of the messages that come back, as Lambda reads it from the response, or SQS from the deletions."""
        ids = {message.id for message in messages}
        try:
            response = step(messages_of(sqs_event(*messages)), 60)
        except BatchIncomplete:
            assert not self.partial
            return ids - set(self.source.deleted)
        returned = {item["itemIdentifier"] for item in response["batchItemFailures"]}
        assert returned <= ids
        assert self.partial or not returned
        return returned

    @property
    def predicted(self) -> list[str]:
        return [json.loads(body)["image"]["key"] for body in self.predictions_queue.sent]

    @property
    def stored(self) -> list[str]:
        return [json.loads(content.splitlines()[0])["image"] for content in self.store.objects.values()]


def mixed(mixture: list[tuple[int, str]], good: Callable[[str], str]) -> tuple[list[Message], list[str]]:
    """The messages of a batch, and the keys of its good messages, which are their ids too."""
    messages, keys = [], []
    for index, (neighbours, poison) in enumerate([*mixture, (1, "")]):
        for key in (f"good {index} {number}.jpg" for number in range(neighbours)):
            messages.append(message(good(key), key))
            keys.append(key)
        messages.append(message(poison, f"poison {index}"))
    return messages, keys


@pytest.mark.parametrize("partial", [True, False])
@given(mixtures)
def test_detect_finishes_all_good_messages_of_any_mixture(
    partial: bool,  # noqa: FBT001 - a parameter
    mixture: list[tuple[int, str]],
) -> None:
    bench = Bench(partial=partial)
    messages, good = mixed(mixture, lambda key: notification(s3_record(key)))
    outcomes = bench.settled(bench.detect, messages)
    assert [outcomes.pop(key) for key in good] == ["finished"] * len(good)
    assert set(outcomes.values()) <= {"finished", "NotAnS3Event", "OwnBucket"}
    assert [key for key in bench.predicted if key.startswith("good ")] == good


@pytest.mark.parametrize("partial", [True, False])
@given(mixtures)
def test_notify_stores_and_alerts_of_all_good_messages_of_any_mixture(
    partial: bool,  # noqa: FBT001 - a parameter
    mixture: list[tuple[int, str]],
) -> None:
    bench = Bench(partial=partial)
    messages, good = mixed(mixture, lambda key: encoded(prediction(SMUT, key=key)))
    outcomes = bench.settled(bench.notify, messages)
    assert [outcomes.pop(key) for key in good] == ["finished"] * len(good)
    assert set(outcomes.values()) <= {"finished", "NotAPrediction"}
    assert sorted(key for key in bench.stored if key.startswith("good ")) == good  # rows are written in parallel
    (alert,) = bench.topic.alerts
    assert {quote(key) for key in good} <= set(alert.attributes["images"])  # type: ignore[arg-type]
    assert 0 <= alert.attributes["confidence"] <= 100  # type: ignore[operator]


@pytest.mark.parametrize("partial", [True, False])
@given(st.lists(st.none() | st.sampled_from(FAULTS), min_size=1, max_size=10), st.data())
def test_a_fault_of_the_model_is_the_outcome_of_that_image_alone(
    partial: bool,  # noqa: FBT001 - a parameter
    faults: list[Exception | None],
    data: st.DataObject,
) -> None:
    bench = Bench(partial=partial)
    keys = [f"{number}.jpg" for number in range(len(faults))]
    bench.model.answers = {key: fault for key, fault in zip(keys, faults, strict=True) if fault}
    receives = data.draw(st.lists(st.integers(1, 20), min_size=len(keys), max_size=len(keys)))
    messages = [message(notification(s3_record(key)), key, tried) for key, tried in zip(keys, receives, strict=True)]
    assert bench.settled(bench.detect, messages) == {
        key: expected(fault, tried) for key, fault, tried in zip(keys, faults, receives, strict=True)
    }
    assert bench.predicted == [key for key, fault in zip(keys, faults, strict=True) if fault is None]


def expected(fault: Exception | None, receives: int) -> str:
    match fault:
        case None:
            return "finished"
        case Rejected():
            return fault.reason
        case ModelNotRunning():
            return fault.reason if receives >= 19 else "comes back"
        case Retryable():
            return fault.reason if receives >= 10 else "comes back"
        case _:
            return "Unexpected" if receives >= 10 else "comes back"
