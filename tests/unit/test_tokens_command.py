"""Upload tokens, as `labelwatch tokens` checks, creates, revokes and lists them."""

from typing import Any

import pytest

from chalicelib.domain.tokens import TokenRecord
from labelwatch.shared.errors import UserError
from labelwatch.uploads import tokens
from tests.support.builders import NOW


class RefusingTable:
    """A table in which every client has a token to `add`, and none to `revoke`."""

    def add(self, *_: object) -> bool:
        return False

    def revoke(self, *_: object) -> bool:
        return False


@pytest.mark.parametrize("client", ["", "Gate 4", "a/b", "-gate", "a" * 64])
def test_another_name_than_of_a_client_is_refused(client: str) -> None:
    with pytest.raises(UserError, match="1 to 63"):
        tokens.checked_client(client)


def test_a_second_token_is_refused_with_the_command_that_revokes_the_first() -> None:
    table: Any = RefusingTable()
    with pytest.raises(UserError, match="labelwatch tokens revoke gate-5"):
        tokens.create(table, "gate-5")


def test_a_client_without_a_valid_token_is_refused_with_the_command_that_lists_tokens() -> None:
    table: Any = RefusingTable()
    with pytest.raises(UserError, match="labelwatch tokens list"):
        tokens.revoke(table, "nobody")


def test_each_token_is_a_line_with_the_name_whole() -> None:
    name = "greenhouse-camera-north-east-row-0012-position-a-very-long-name"
    gate = TokenRecord("gate-1", NOW, last_used_at=NOW, revoked_at=NOW, uploads_per_day=500)
    text = tokens.as_text([TokenRecord(name, NOW), gate], {"gate-1": 7})
    header, first, second = text.splitlines()
    assert header.split()[0] == "Client"
    assert first.split() == [name, "2026-11-22", "10:00", "never", "0", "of", "10,000", "valid"]
    times = ["2026-11-22", "10:00"]
    assert second.split() == ["gate-1", *times, *times, "7", "of", "500", "revoked", *times]
    assert header.index("State") == first.index("valid") == second.index("revoked")


def test_without_tokens_the_list_is_the_command_that_creates_a_token() -> None:
    assert "labelwatch tokens create" in tokens.as_text([], {})
