import io
from typing import Any

import pytest
from rich.console import Console

from chalicelib.domain.errors import Retryable
from chalicelib.domain.model import ModelState
from labelwatch.model import control
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from tests.support.builders import MODEL, NOW
from tests.support.fakes import FakeBacklog, FakeModelStates, FakeModelVersion


class FakeMapping:
    def __init__(self) -> None:
        self.state = "Disabled"

    def states(self) -> dict[str, str]:
        return {"id": self.state} if self.state else {}


class Slow(FakeModelVersion):
    """Comes up or down, or to another end, after some looks; starts with the units that it is told."""

    def __init__(self, state: str, end: str = "") -> None:
        super().__init__(state)
        self.units = 0
        self._end = end
        self._looks = 0

    def status(self) -> str:
        seen = super().status()
        self._looks += 1
        if self._looks > 2:
            self.state = self._end or {"STARTING": "RUNNING", "STOPPING": "STOPPED"}.get(self.state, self.state)
        return seen

    def start(self, units: int = 1) -> bool:
        self.units = units
        return super().start()


class Hand:
    """Somebody at a terminal, and the model of a stack."""

    def __init__(self, life: FakeModelVersion, *, accepts: bool = True, auto_start: bool = False) -> None:
        self.life, self.model_states, self.backlog = life, FakeModelStates(), FakeBacklog()
        self.asked: list[str] = []
        self.waits = 0
        self.mapping = FakeMapping()
        there: Any = (life, self.mapping, self.backlog, self.model_states, auto_start)
        self.model = control.StackModel(*there)
        self._said = io.StringIO()
        self._agrees = accepts
        self.terminal = Terminal(Console(file=self._said, width=160), accepts=self._answer)

    @property
    def said(self) -> str:
        return self._said.getvalue()

    def start(self, units: int = 1) -> None:
        control.start(self.model, units, self.terminal, self._wait)

    def stop(self) -> None:
        control.stop(self.model, self.terminal, self._wait)

    def status(self) -> str:
        self.terminal.console.print(control.shown(self.model))
        return self.said

    def _answer(self, question: str) -> bool:
        self.asked.append(question)
        return self._agrees

    def _wait(self) -> None:
        self.waits += 1
        assert self.waits < 10


def test_a_model_is_started_with_the_units_that_are_wanted_and_waited_for() -> None:
    hand = Hand(Slow("STOPPED"))
    hand.start(units=2)
    assert (hand.life.state, hand.waits > 1) == ("RUNNING", True)
    assert isinstance(hand.life, Slow)
    assert hand.life.units == 2
    assert " with 2 inference units, at about" in hand.asked[0]
    assert "about 4 USD an hour for each inference unit" in hand.asked[0]
    assert "The model runs" in hand.said


def test_without_consent_nothing_is_started_or_stopped() -> None:
    stopped, runs = Hand(Slow("STOPPED"), accepts=False), Hand(Slow("RUNNING"), accepts=False)
    for act in (stopped.start, runs.stop):
        with pytest.raises(UserError, match="nothing is created, changed or deleted"):
            act()
    assert stopped.life.calls + runs.life.calls == []


def test_one_that_starts_already_is_only_waited_for() -> None:
    hand = Hand(Slow("STARTING"))
    hand.start()
    assert (hand.asked, hand.life.state) == ([], "RUNNING")


@pytest.mark.parametrize("state", ["STOPPING", "DELETING", "TRAINING_FAILED"])
def test_only_one_that_is_stopped_can_be_started(state: str) -> None:
    with pytest.raises(UserError, match=f"^the model is {state}; only one that is stopped"):
        Hand(FakeModelVersion(state)).start()


def test_one_that_runs_already_is_left_as_it_runs() -> None:
    hand = Hand(FakeModelVersion("RUNNING"))
    hand.start(units=2)
    assert (hand.asked, hand.life.calls) == ([], [])
    assert hand.said == "The model runs already, on the inference units that it was started with.\n"


def test_one_that_does_not_come_up_is_told_with_its_end() -> None:
    with pytest.raises(UserError, match=r"^the model is FAILED; its page in the Rekognition console says why\.$"):
        Hand(Slow("STOPPED", end="FAILED")).start()


@pytest.mark.parametrize(("auto_start", "starts"), [(True, True), (False, False)])
def test_a_model_is_stopped_and_whoever_starts_it_again_is_told_of(*, auto_start: bool, starts: bool) -> None:
    hand = Hand(Slow("RUNNING"), auto_start=auto_start)
    hand.stop()
    assert "The model is STOPPED" in hand.said
    assert ("ModelAutoStart is yes" in hand.said) is starts


@pytest.mark.parametrize("state", ["STOPPED", "TRAINING_COMPLETED", "COPYING_COMPLETED"])
@pytest.mark.parametrize(("auto_start", "starts"), [(True, True), (False, False)])
def test_one_that_is_stopped_already_is_no_mistake_to_stop(state: str, *, auto_start: bool, starts: bool) -> None:
    hand = Hand(FakeModelVersion(state), auto_start=auto_start)
    hand.stop()
    assert (hand.asked, hand.life.calls) == ([], [])
    assert hand.said.startswith("The model is stopped already.\n")
    assert ("ModelAutoStart is yes" in hand.said) is starts


@pytest.mark.parametrize("state", ["STARTING", "FAILED"])
def test_only_one_that_runs_can_be_stopped(state: str) -> None:
    with pytest.raises(UserError, match=f"^the model is {state}; only one that runs"):
        Hand(FakeModelVersion(state)).stop()


def test_what_aws_refuses_is_one_sentence() -> None:
    hand = Hand(Slow("STOPPED"))
    hand.life.unstartable = Retryable("LimitExceededException", "two models run already")
    with pytest.raises(UserError, match=r"^AWS does not do it: LimitExceededException: two models run already\.$"):
        hand.start()


@pytest.mark.parametrize(
    ("state", "memory", "by"),
    [
        ("RUNNING", ModelState(), "a person or another tool"),
        ("RUNNING", ModelState(model=MODEL, started_at=NOW), "Labelwatch, 2026-11-22 10:00"),
        ("RUNNING", ModelState(model="another", started_at=NOW), "a person or another tool"),
    ],
)
def test_the_status_says_who_started_it_and_what_waits(state: str, memory: ModelState, by: str) -> None:
    hand = Hand(FakeModelVersion(state))
    hand.model_states.memory, hand.backlog.images = memory, 17
    said = hand.status()
    assert all(words in said for words in (state, by, "17"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("Enabled", " yes (Enabled) "),
        ("Enabling", " in a moment (Enabling) "),
        ("Disabled", " no; manage_model has them taken within a minute of the model's running (Disabled) "),
        ("Disabling", " no; manage_model has them taken within a minute of the model's running (Disabling) "),
        ("Updating", " Updating "),
        ("", " the function detect is not deployed yet "),
    ],
)
def test_the_status_says_in_plain_words_whether_images_are_taken(state: str, said: str) -> None:
    hand = Hand(FakeModelVersion("RUNNING"))
    hand.mapping.state = state
    assert said in hand.status()


class FakeStacks:
    """CloudFormation with one stack, which has these outputs."""

    def __init__(self, outputs: dict[str, str]) -> None:
        self._outputs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]

    def client(self, _service: str) -> Any:
        return self

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        return {"Stacks": [{"StackName": StackName, "StackStatus": "CREATE_COMPLETE", "Outputs": self._outputs}]}


OUTPUTS = dict.fromkeys(control.NEEDED, "x")


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (OUTPUTS | {"CustomModelARN": "general"}, "asks Rekognition's general labels"),
        ({"CustomModelARN": MODEL}, "of another version"),
    ],
)
def test_a_stack_without_a_model_of_its_own_is_told_as_that(outputs: dict[str, str], said: str) -> None:
    account: Any = FakeStacks(outputs)
    with pytest.raises(UserError, match=said):
        control.from_stack(account, "labelwatch-prod")
