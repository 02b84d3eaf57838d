"""The commands before they call AWS: who is asked, what is refused, and which signals wait."""

import io
import os
import pty
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TextIO

import pytest
from typer.testing import CliRunner

from labelwatch.__main__ import app
from labelwatch.commands.options import open_terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.interrupts import uninterrupted


def closed() -> TextIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stdin", [None, closed(), io.StringIO("y\n")], ids=["none", "closed", "a file"])
def test_a_question_that_nobody_can_answer_is_a_mistake(stdin: TextIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(UserError, match="--yes"):
        open_terminal(yes=False, default=True).confirm("Go on?")
    open_terminal(yes=True, default=True).confirm("Go on?")


@pytest.mark.parametrize(("answer", "accepted"), [("y", True), ("n", False), ("", True)])
def test_a_person_answers_a_question(answer: str, monkeypatch: pytest.MonkeyPatch, *, accepted: bool) -> None:
    person, command = pty.openpty()
    os.write(person, f"{answer}\n".encode())
    with os.fdopen(command) as stdin, os.fdopen(person):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert open_terminal(yes=False, default=True).accepts("Go on?") == accepted


@pytest.mark.parametrize("tag", ["application=fields", "stack=another", "no-value", "=no-key"])
def test_a_tag_that_cannot_be_set_is_refused(tag: str) -> None:
    result = CliRunner().invoke(app, ["up", "--stage", "prod", "--tag", tag])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("--tag ")


def test_a_signal_waits_for_the_end_of_the_block() -> None:
    steps = []

    def block() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            steps.append("completed")
        steps.append("never")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["completed"]


def test_another_thread_than_the_main_one_may_delay_signals_too() -> None:
    def block() -> str:
        with uninterrupted():
            return "completed"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(block).result() == "completed"
