"""`labelwatch links revoke`: which links are selected, what is refused, and what a failure leaves."""

from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from chalicelib.domain.errors import Retryable
from chalicelib.domain.links import LINK_LIFETIME, PictureLink, new_link
from labelwatch.links import revoking
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from tests.support.builders import NOW
from tests.support.fakes import FakeLinks

ID, LINK = new_link("row", "field-3", NOW)
TERMINAL = Terminal(Console(quiet=True), lambda _: True)


def table_of(*links: PictureLink) -> Any:
    table = FakeLinks()
    for link in links:
        table.add(link)
    return table


def links_of(*sources: str) -> list[PictureLink]:
    return [new_link("row", source, NOW)[1] for source in sources]


API = "https://abc123.execute-api.eu-central-1.amazonaws.com/api/p/"


@pytest.mark.parametrize(
    "text",
    [
        ID,
        API + ID,
        f"{API}{ID}/",
        f"{API}{ID}/image",
        f" <{API}{ID}>\n",
        f"{API}{ID}?utm_source=mail#top",
        f"https://links.example.com/?url={API.replace(':', '%3A').replace('/', '%2F')}{ID}&data=1",
    ],
    ids=range(7),  # the id is another in each process
)
def test_a_link_is_found_in_every_form_in_which_people_copy_it(text: str) -> None:
    assert revoking.find(table_of(LINK), text, NOW) == LINK


@pytest.mark.parametrize("text", ["", "field-3", ID[:-1], f"{ID}a", f"{API}{ID}a", f"{API}{ID.upper()}"], ids=range(6))
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a link"):
        revoking.find(table_of(LINK), text, NOW)


def test_an_unknown_link_is_refused_as_an_expired_one_is() -> None:
    messages = []
    for table, now in ((table_of(), NOW), (table_of(LINK), NOW + LINK_LIFETIME)):
        with pytest.raises(UserError) as refusal:
            revoking.find(table, ID, now)
        messages.append(str(refusal.value))
    assert messages[0] == messages[1]
    assert "--stack" in messages[0]


def test_the_links_of_a_source_are_selected_and_without_a_source_all() -> None:
    north, south = links = links_of("north", "south")
    assert revoking.select(links, "south") == [south]
    assert revoking.select(links, None) == [north, south]
    assert revoking.select([], None) == []


def test_a_source_without_links_is_refused_with_the_sources_that_have_links() -> None:
    with pytest.raises(UserError, match=r"'field-9'.*field-3, north"):
        revoking.select(links_of("north", "field-3", "north"), "field-9")
    with pytest.raises(UserError, match="no links"):
        revoking.select([], "field-9")


def test_many_sources_are_counted_after_the_first_twenty() -> None:
    with pytest.raises(UserError, match="source-119 and 80 more"):
        revoking.select(links_of(*(f"source-{number}" for number in range(100, 200))), "field-9")


def test_selected_links_are_described_by_their_source_or_the_number_of_sources() -> None:
    assert revoking.describe([LINK]) == "1 link of field-3"
    assert revoking.describe(links_of("a", "b", "a")) == "3 links of 2 sources"


def test_the_selected_links_are_revoked_and_the_others_stay() -> None:
    selected, other = links_of(*["north"] * 50), links_of("south")
    table = table_of(*selected, *other)
    revoking.revoke(table, selected, TERMINAL)
    assert table.all() == other


class FailingTable(FakeLinks):
    """Fails once two links are left."""

    problem: BaseException

    def revoke(self, digest: str) -> bool:
        if len(self.stored) <= 2:
            raise self.problem
        return super().revoke(digest)


@pytest.mark.parametrize(
    ("problem", "exit_code"), [(Retryable("ThrottlingException", "later"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_failure_says_how_many_links_are_revoked_and_that_the_command_continues(
    problem: BaseException, exit_code: int
) -> None:
    table: Any = FailingTable()
    table.problem = problem
    links = links_of(*"abcde")
    for link in links:
        table.add(link)
    with pytest.raises(UserError, match=r"of 5 links.*same command") as stopped:
        revoking.revoke(table, links, TERMINAL)
    assert stopped.value.exit_code == exit_code


def test_a_link_is_found_until_its_last_second() -> None:
    assert revoking.find(table_of(LINK), ID, NOW + LINK_LIFETIME - timedelta(seconds=1)) == LINK
