"""Mistakes that the commands refuse before they call AWS: exit code 1, one line, and the name of what is wrong."""

import pytest

from tests.support.command import invoke


@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("down --stage prod --bucket images", "--delete-data"),
        ("dead-letters redrive", "--all"),
        ("dead-letters purge", "--all"),
        ("dead-letters purge --all --key x", "--all"),
        ("audit --day yesterday", "--day 'yesterday'"),
        ("audit --day 2999-01-01", "--day 2999-01-01"),
        ("audit --prefix s3://images/a", "--prefix 's3://images/a'"),
        ("backfill images", "'images'"),
        ("links revoke", "--source"),
        ("links revoke --all --source field-3", "--source"),
        ("links revoke mzxw6ytboi --all", "--all"),
        ("athena query pie", "labels_by_count"),
        ("athena query labels_by_count --from yesterday", "--from 'yesterday'"),
        ("athena query models_compared --label x", "--label"),
        ("athena query labels_by_count --raw", "--format csv"),
        ("report --to 2026", "--to '2026'"),
    ],
)
def test_a_mistake_is_refused_in_one_line_before_any_call(command: str, part: str) -> None:
    done = invoke({}, *command.split())
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
    assert done.stderr.startswith("labelwatch: ")
    assert part in done.stderr


def test_the_queries_are_listed_without_an_account() -> None:
    done = invoke({}, "athena", "query")
    assert (done.returncode, done.stderr) == (0, "")
    assert "labels_of_interest_by_hour" in done.stdout
