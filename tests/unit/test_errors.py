"""Errors end a command with one line on standard error and exit code 1, before a call of AWS."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from labelwatch.__main__ import main

SETTINGS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


@pytest.fixture(autouse=True)
def _restored_signals() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("words", "changes", "phrase"),
    [
        (["subscribe", "somebody"], {}, "'somebody'"),
        (["subscribe", "you@example.com", "--confidence", "101"], {}, "--confidence"),
        (["subscribe", "you@example.com", "--label", "*"], {}, "--label"),
        (["subscribe", "you@example.com", "--operations", "--label", "rust"], {}, "--operations"),
        (["tokens", "create", "Gate 4"], {}, "'Gate 4'"),
        (["tokens", "revoke", "a/b"], {}, "'a/b'"),
        (["athena", "query", "a\x1b[2Jb"], {}, "a\\x1b[2Jb"),
        (["tokens", "list"], {}, "aws configure"),
        (["tokens", "list"], {"AWS_DEFAULT_REGION": ""}, "--region"),
        (["tokens", "list"], {"AWS_ENDPOINT_URL": "foo"}, "foo"),
        (["tokens", "list", "--profile", "nobody"], {}, "nobody"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(
    words: list[str],
    changes: dict[str, str],
    phrase: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "LABELWATCH_"))]:
        monkeypatch.delenv(name)
    for name, value in (SETTINGS | changes).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["labelwatch", *words])
    with pytest.raises(SystemExit) as end:
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 1
    assert line.startswith("labelwatch: ")
    assert phrase in line


@pytest.mark.parametrize(("closed", "streams"), [("2>&-", ("", "")), (">&-", ("", "closed"))])
def test_a_message_never_goes_to_the_other_stream_where_its_own_is_closed(
    closed: str, streams: tuple[str, str]
) -> None:
    completed = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m labelwatch tokens create "Gate 4" {closed}', sys.executable],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert completed.returncode == 1
    assert completed.stdout == streams[0]
    assert streams[1] in completed.stderr
