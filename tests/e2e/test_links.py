"""`labelwatch links revoke`, as a command on the local AWS."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

import pytest
import requests

from chalicelib.adapters.dynamodb import LinkTable
from chalicelib.domain.links import LINK_LIFETIME, new_link
from tests.e2e.test_pipeline import mail_of
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import Pipeline

# In each answer another one.
OWN_HEADERS = {"date", "x-amz-request-id", "x-amzn-requestid"}


class Answer(NamedTuple):
    """All that a reader of a page can see, also of its redirect and its JSON."""

    status: int
    body: bytes
    headers: dict[str, str]


def answers(link: str) -> list[Answer]:
    """The page, its JSON, and its redirect."""
    return [
        Answer(
            answer.status_code,
            answer.content,
            {name: value for name, value in answer.headers.items() if name.lower() not in OWN_HEADERS},
        )
        for path, accept in (("", "text/html"), ("", "application/json"), ("/image", "*/*"))
        for answer in [requests.get(f"{link}{path}", headers={"Accept": accept}, timeout=60, allow_redirects=False)]
    ]


def alerted(pipeline: Pipeline, source: str) -> str:
    """The link of an alert of this source."""
    key = f"{source}/leaf.jpg"
    pipeline.upload(key)
    (link,) = re.findall(r"https?://\S+/p/[a-z2-7]{32}", mail_of(pipeline, key).get_content())
    return str(link)


def status_of(link: str) -> int:
    return requests.get(link, timeout=60).status_code


@pytest.fixture
def source() -> str:
    """Of no other test: the pipeline is shared."""
    return f"field-{uuid4()}"


def test_a_revoked_link_is_answered_as_an_unknown_and_an_expired_link_are(pipeline: Pipeline, source: str) -> None:
    revoked = alerted(pipeline, source)
    assert [answer.status for answer in answers(revoked)] == [200, 200, 302]
    done = invoke_labelwatch(pipeline.session, "links", "revoke", f"<{revoked}/image>")
    assert done.returncode == 0, done.stderr
    assert f"1 link of {source}" in done.stdout
    api = revoked.rpartition("/")[0]
    expired_id, expired = new_link("row", source, datetime.now(UTC) - LINK_LIFETIME)
    LinkTable(pipeline.session.local_aws.client("dynamodb"), pipeline.outputs["TableName"]).add(expired)
    unknown = answers(f"{api}/{'a' * 32}")
    assert [answer.status for answer in unknown] == [404, 404, 404]
    assert answers(revoked) == unknown
    assert answers(f"{api}/{expired_id}") == unknown
    messages = {
        invoke_labelwatch(pipeline.session, "links", "revoke", link).stderr for link in (revoked, expired_id, "b" * 32)
    }
    assert len(messages) == 1
    assert "--stack" in messages.pop()


def test_the_links_of_a_source_are_revoked_and_those_of_others_stay(pipeline: Pipeline, source: str) -> None:
    revoked, other = alerted(pipeline, source), alerted(pipeline, f"{source}-other")
    refused = invoke_labelwatch(pipeline.session, "links", "revoke", "--source", source)
    assert "--yes" in refused.stderr
    done = invoke_labelwatch(pipeline.session, "links", "revoke", "--source", source, "--yes")
    assert done.returncode == 0, done.stderr
    assert (status_of(revoked), status_of(other)) == (404, 200)
    unknown = invoke_labelwatch(pipeline.session, "links", "revoke", "--source", source, "--yes")
    assert unknown.returncode == 1
    assert f"{source}-other" in unknown.stderr


def test_all_links_of_the_stack_are_revoked(pipeline: Pipeline, source: str) -> None:
    link = alerted(pipeline, source)
    done = invoke_labelwatch(pipeline.session, "links", "revoke", "--all", "-y")
    assert (done.returncode, status_of(link)) == (0, 404), done.stderr
    assert invoke_labelwatch(pipeline.session, "links", "revoke", "--all", "-y").stdout == "No links.\n"
