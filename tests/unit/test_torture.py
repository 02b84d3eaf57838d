"""What the torture calls a fault: it must not find excuses for an alert that is told twice, or not at all."""

from collections import Counter

import pytest

from labelwatch.audit.compare import compare
from tests.support.audit_builders import dead_letter, found, stored, uploaded
from tests.torture import page
from tests.torture.calls import ASIDE
from tests.torture.outcome import Outcome, faults_of, faults_of_letters
from tests.torture.scenarios import once_or_twice
from tests.torture.uncertain import Doubts

LEAF = frozenset({"leaf"})


ENDED = 7


@pytest.fixture
def doubts() -> Doubts:
    """Of processes that all live but one."""
    return Doubts(lambda process: process != ENDED)


def test_an_alert_that_was_noted_and_is_told_again_has_no_excuse(doubts: Doubts) -> None:
    doubts.told(LEAF, ENDED)
    doubts.noted(LEAF)
    doubts.disturbed(LEAF)
    doubts.told(LEAF, 2)
    assert (doubts.unexplained, doubts.explained) == ({"leaf"}, {})


def test_two_functions_that_tell_of_the_same_have_no_excuse(doubts: Doubts) -> None:
    doubts.told(LEAF, 1)
    doubts.told(LEAF, 2)
    assert doubts.unexplained == {"leaf"}


@pytest.mark.parametrize("process", [ENDED, None])
def test_a_function_that_ended_before_the_note_explains_the_second_alert(doubts: Doubts, process: int | None) -> None:
    doubts.told(LEAF, process)
    doubts.told(LEAF, 2)
    assert (doubts.unexplained, doubts.explained) == (set(), {"leaf": 1})


def test_another_function_that_ended_explains_nothing(doubts: Doubts) -> None:
    doubts.told(LEAF, 1)
    doubts.told(frozenset({"other"}), ENDED)
    doubts.told(LEAF, 2)
    assert doubts.unexplained == {"leaf"}


def test_an_answer_that_was_lost_explains_one_alert_more_and_not_two(doubts: Doubts) -> None:
    doubts.told(LEAF, 1)
    doubts.disturbed(LEAF)
    doubts.told(LEAF, 1)
    doubts.told(LEAF, 1)
    assert (doubts.unexplained, doubts.explained) == ({"leaf"}, {"leaf": 1})


def test_a_call_that_never_reached_sns_explains_nothing(doubts: Doubts) -> None:
    doubts.disturbed(LEAF)
    doubts.told(LEAF, 1)
    doubts.told(LEAF, 1)
    assert doubts.unexplained == {"leaf"}


def test_what_was_told_and_not_noted_is_known_where_it_has_a_reason(doubts: Doubts) -> None:
    doubts.told(frozenset({"disturbed", "noted", "no reason"}), 1)
    doubts.told(frozenset({"ended"}), ENDED)
    doubts.disturbed(frozenset({"disturbed", "noted"}))
    doubts.noted(frozenset({"noted"}))
    assert doubts.unnoted() == {"disturbed", "ended"}


@pytest.mark.parametrize(("owner", "explained"), [("the same", 0), ("another", 1)])
def test_what_was_told_without_a_claim_explains_one_more_unless_its_owner_got_one_after_all(
    doubts: Doubts, owner: str, explained: int
) -> None:
    doubts.claimed(LEAF, "the same", known=False)
    doubts.claimed(LEAF, owner, known=True)
    doubts.told(LEAF, 1)
    doubts.told(LEAF, 2)
    assert doubts.explained.total() == explained
    assert len(doubts.unexplained) == 1 - explained


def test_whoever_got_no_answer_to_a_claim_may_write_what_was_written_and_noted(doubts: Doubts) -> None:
    doubts.told(LEAF, 1)
    doubts.noted(LEAF)
    doubts.claimed(LEAF, "another", known=False)
    doubts.told(LEAF, 2)
    assert (doubts.unexplained, doubts.explained) == (set(), {"leaf": 1})


def test_a_dead_letter_beyond_the_first_needs_a_reason_of_its_own_kind() -> None:
    letter = f"{ASIDE}1"
    assert faults_of_letters(1, Counter({letter: 1, "leaf": 5}), {"leaf"}) == []
    assert len(faults_of_letters(2, Counter({letter: 1, "leaf": 5}), set())) == 1
    assert len(faults_of_letters(0, Counter(), {letter})) == 1


def faults(mails: int, explained: int = 0, unexplained: frozenset[str] = frozenset()) -> list[str]:
    """Of one image that is worth an alert and remembered as told."""
    image, one = uploaded(), stored(uploaded(), id="leaf")
    seen = found(uploads=[image], predictions=[one], notified=["leaf"])
    return faults_of(seen, compare(seen), Counter(leaf=mails), Counter(leaf=explained), set(unexplained), frozenset())


def test_one_mail_for_one_prediction_is_no_fault() -> None:
    assert faults(mails=1) == []


@pytest.mark.parametrize(("mails", "explained"), [(0, 0), (2, 0), (3, 1)])
def test_no_mail_or_one_too_many_is_a_fault(mails: int, explained: int) -> None:
    assert len(faults(mails, explained)) == 1


def test_a_second_mail_with_its_reason_is_no_fault() -> None:
    assert faults(mails=2, explained=1) == []


def test_what_could_not_be_explained_is_a_fault_whatever_the_mails_say() -> None:
    assert len(faults(mails=1, unexplained=LEAF)) == 1


def test_what_the_audit_finds_is_a_fault() -> None:
    lost, stranger, both = uploaded("lost"), uploaded("stranger"), uploaded("both")
    seen = found(
        uploads=[lost, both],
        predictions=[stored(stranger, of_interest=False), stored(both)],
        image_dead_letters=[dead_letter(both)],
        in_progress=1,
    )
    said = faults_of(seen, compare(seen), Counter({"id of both.jpg": 1}), Counter(), set(), frozenset())
    assert [fault.split(" ")[0] for fault in said] == ["unaccounted", "not", "rows", "1", "1"]


def test_an_alert_that_is_not_remembered_as_told_is_a_fault_unless_it_has_a_reason() -> None:
    seen = found(uploads=[uploaded()], predictions=[stored(uploaded(), id="leaf")])
    said = [
        faults_of(seen, compare(seen), Counter(leaf=1), Counter(), set(), unnoted) for unnoted in (frozenset(), LEAF)
    ]
    assert [len(faults) for faults in said] == [1, 0]


def test_half_of_all_event_notifications_or_so_come_once_where_all_comes_at_once() -> None:
    times = Counter(once_or_twice(f"image {number}") for number in range(1000))
    assert times.keys() == {1, 2}
    assert times[1] == pytest.approx(500, abs=60)


def test_a_row_of_the_table_shows_what_is_lost_as_such() -> None:
    verdict = compare(found(uploads=[uploaded("lost"), uploaded("told")], predictions=[stored(uploaded("told"))]))
    outcome = Outcome("all", 61.4, verdict, 3, 4, 1, {"killed": 1200}, [])
    assert page.table([outcome]).splitlines()[-1] == "| all | 1,200 killed | 2 | 1 | 0 | 1 | 1 | 1 | 4 | 1 | 3 | 61 |"
    assert "| all | 1,200 killed |" in page.whole([outcome], "By a test")
    assert "\nBy a test.\n" in page.whole([outcome], "By a test")
