"""`labelwatch forget`: which options select images, and what is refused before any call."""

import pytest
from typer.testing import CliRunner

from labelwatch.__main__ import app
from labelwatch.forget.selection import Selection, selection_of
from labelwatch.shared.errors import UserError


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((None, None, None), "--client"),
        (("a.jpg", "north", None), "--source"),
        ((None, "north", "field-3"), "--client"),
        (("", None, None), "empty"),
        ((None, None, ""), "empty"),
        (("s3://images/a.jpg", None, None), "bucket"),
        ((None, "North", None), "'North'"),
        ((None, "", None), "''"),
    ],
)
def test_a_selection_that_cannot_be_meant_is_refused(options: tuple[str | None, ...], problem: str) -> None:
    with pytest.raises(UserError) as refusal:
        selection_of(*options)
    assert problem in str(refusal.value)


def test_a_client_has_only_the_keys_under_its_own_prefix() -> None:
    client = selection_of(None, "north", None)
    assert client.includes("images", "uploads/north/2026-11-27/x.jpg")
    assert not client.includes("images", "uploads/north-2/2026-11-27/x.jpg")
    assert not client.includes("images", "north/x.jpg")


def test_a_source_that_is_not_printable_is_selected_by_the_text_that_people_see() -> None:
    assert Selection(source="line\\x01").includes("images", "line\x01/leaf.jpg")


def test_json_is_refused_where_a_question_would_follow() -> None:
    result = CliRunner().invoke(app, ["forget", "leaf.jpg", "--format", "json"])
    assert isinstance(result.exception, UserError)
    assert "--yes" in str(result.exception)
