"""The faults of the torture: it must not excuse an alert that is duplicate or missing without a reason."""

from collections import Counter

import pytest

from labelwatch.audit.compare import compare
from tests.support.audit_builders import dead_letter, found, stored, uploaded
from tests.torture import page
from tests.torture.calls import DEAD_LETTER
from tests.torture.outcome import Outcome, faults_of_dead_letters, faults_of_mails, faults_of_verdict
from tests.torture.scenarios import deliveries
from tests.torture.uncertain import UncertainOutcomes

LEAF = frozenset({"leaf"})
ENDED = 7


@pytest.fixture
def uncertain() -> UncertainOutcomes:
    """All processes run but ENDED."""
    return UncertainOutcomes(lambda process: process != ENDED)


def test_a_duplicate_of_a_completed_alert_is_not_explained(uncertain: UncertainOutcomes) -> None:
    uncertain.sent(LEAF, ENDED)
    uncertain.completed(LEAF)
    uncertain.response_lost(LEAF)
    uncertain.sent(LEAF, 2)
    assert (uncertain.unexplained, uncertain.explained) == ({"leaf"}, {})


def test_an_alert_of_two_running_functions_is_not_explained(uncertain: UncertainOutcomes) -> None:
    uncertain.sent(LEAF, 1)
    uncertain.sent(LEAF, 2)
    assert uncertain.unexplained == {"leaf"}


@pytest.mark.parametrize("process", [ENDED, None])
def test_a_function_that_ended_before_the_completion_explains_the_second_alert(
    uncertain: UncertainOutcomes, process: int | None
) -> None:
    uncertain.sent(LEAF, process)
    uncertain.sent(LEAF, 2)
    assert (uncertain.unexplained, uncertain.explained) == (set(), {"leaf": 1})


def test_another_function_that_ended_explains_nothing(uncertain: UncertainOutcomes) -> None:
    uncertain.sent(LEAF, 1)
    uncertain.sent(frozenset({"other"}), ENDED)
    uncertain.sent(LEAF, 2)
    assert uncertain.unexplained == {"leaf"}


def test_a_lost_response_explains_one_more_alert_and_not_two(uncertain: UncertainOutcomes) -> None:
    uncertain.sent(LEAF, 1)
    uncertain.response_lost(LEAF)
    uncertain.sent(LEAF, 1)
    uncertain.sent(LEAF, 1)
    assert (uncertain.unexplained, uncertain.explained) == ({"leaf"}, {"leaf": 1})


def test_a_call_that_never_reached_sns_explains_nothing(uncertain: UncertainOutcomes) -> None:
    uncertain.response_lost(LEAF)
    uncertain.sent(LEAF, 1)
    uncertain.sent(LEAF, 1)
    assert uncertain.unexplained == {"leaf"}


def test_an_alert_that_could_not_be_completed_is_known_where_it_has_a_reason(uncertain: UncertainOutcomes) -> None:
    uncertain.sent(frozenset({"response lost", "completed", "no reason"}), 1)
    uncertain.sent(frozenset({"ended"}), ENDED)
    uncertain.response_lost(frozenset({"response lost", "completed"}))
    uncertain.completed(frozenset({"completed"}))
    assert uncertain.not_completed() == {"response lost", "ended"}


@pytest.mark.parametrize(("owner", "explained"), [("the same", 0), ("another", 1)])
def test_a_lost_acquisition_explains_one_more_unless_the_same_owner_acquired_later(
    uncertain: UncertainOutcomes, owner: str, explained: int
) -> None:
    uncertain.acquired(LEAF, "the same", known=False)
    uncertain.acquired(LEAF, owner, known=True)
    uncertain.sent(LEAF, 1)
    uncertain.sent(LEAF, 2)
    assert uncertain.explained.total() == explained
    assert len(uncertain.unexplained) == 1 - explained


def test_a_lost_acquisition_explains_a_duplicate_of_a_completed_dead_letter(uncertain: UncertainOutcomes) -> None:
    uncertain.sent(LEAF, 1)
    uncertain.completed(LEAF)
    uncertain.acquired(LEAF, "another", known=False)
    uncertain.sent(LEAF, 2)
    assert (uncertain.unexplained, uncertain.explained) == (set(), {"leaf": 1})


def test_a_dead_letter_beyond_the_first_needs_a_reason_of_its_own_kind() -> None:
    dead_letter = f"{DEAD_LETTER}1"
    assert faults_of_dead_letters(1, Counter({dead_letter: 1, "leaf": 5}), {"leaf"}) == []
    assert len(faults_of_dead_letters(2, Counter({dead_letter: 1, "leaf": 5}), set())) == 1
    assert len(faults_of_dead_letters(0, Counter(), {dead_letter})) == 1


def faults(mails: int, explained: int = 0, unexplained: frozenset[str] = frozenset()) -> list[str]:
    """The faults for an image with a label of interest, whose alert is completed."""
    seen = found(uploads=[uploaded()], predictions=[stored(uploaded(), id="leaf")], notified=["leaf"])
    return [
        *faults_of_verdict(compare(seen), frozenset()),
        *faults_of_mails(seen, Counter(leaf=mails), Counter(leaf=explained), set(unexplained)),
    ]


def test_one_mail_for_one_prediction_is_no_fault() -> None:
    assert faults(mails=1) == []


@pytest.mark.parametrize(("mails", "explained"), [(0, 0), (2, 0), (3, 1)])
def test_a_missing_or_unexplained_mail_is_a_fault(mails: int, explained: int) -> None:
    assert len(faults(mails, explained)) == 1


def test_an_explained_second_mail_is_no_fault() -> None:
    assert faults(mails=2, explained=1) == []


def test_an_unexplained_duplicate_is_a_fault_whatever_the_mails_are() -> None:
    assert len(faults(mails=1, unexplained=LEAF)) == 1


def test_the_findings_of_the_audit_are_faults() -> None:
    lost, unknown, both = uploaded("lost"), uploaded("unknown"), uploaded("both")
    seen = found(
        uploads=[lost, both],
        predictions=[stored(unknown, of_interest=False), stored(both)],
        image_dead_letters=[dead_letter(both)],
        in_progress=1,
    )
    faults = faults_of_verdict(compare(seen), frozenset())
    assert [fault.split(" ")[0] for fault in faults] == ["unaccounted", "record", "rows", "1", "1"]
    assert faults_of_mails(seen, Counter({"id of both.jpg": 1}), Counter(), set()) == []


def test_an_alert_that_is_not_completed_is_a_fault_unless_it_has_a_reason() -> None:
    seen = found(uploads=[uploaded()], predictions=[stored(uploaded(), id="leaf")])
    assert len(faults_of_verdict(compare(seen), frozenset())) == 1
    assert faults_of_verdict(compare(seen), LEAF) == []
    assert faults_of_mails(seen, Counter(leaf=1), Counter(), set()) == []


def test_about_half_of_all_event_notifications_are_delivered_a_second_time() -> None:
    times = Counter(deliveries(f"image {number}") for number in range(1000))
    assert times.keys() == {1, 2}
    assert times[1] == pytest.approx(500, abs=60)


def test_a_row_of_the_table_counts_what_is_lost() -> None:
    verdict = compare(
        found(uploads=[uploaded("lost"), uploaded("notified")], predictions=[stored(uploaded("notified"))])
    )
    outcome = Outcome("all", 61.4, verdict, 3, 4, 1, {"killed": 1200}, [])
    assert page.table([outcome]).splitlines()[-1] == "| all | 1,200 killed | 2 | 1 | 0 | 1 | 1 | 1 | 4 | 1 | 3 | 61 |"
    lines = page.whole([outcome], "By a test").splitlines()
    assert {"| all | 2 | 1 | 0 | 1 | 1 | 1 |", "| all | 4 | 1 | 3 | 61 |", "- all: 1,200 killed"} <= set(lines)
    assert "By a test." in lines
