"""Where the links of a report lead."""

import pytest

from labelwatch.report.build import picture_addresses
from labelwatch.shared.account import Account

ROW = {"bucket": "images", "image": "field 1/leaf.jpg", "version_id": "v1"}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    return Account(region="eu-central-1")


def test_on_aws_a_picture_is_in_the_console(account: Account) -> None:
    assert "console.aws.amazon.com" in picture_addresses(account)(ROW)


def test_on_the_local_aws_a_picture_is_a_presigned_link(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    address = picture_addresses(account)(ROW)
    assert address.startswith("http://127.0.0.1:1/images/field%201/leaf.jpg?versionId=v1&")
    assert "X-Amz-Signature=" in address
    assert "None" not in picture_addresses(account)(ROW | {"version_id": None})
