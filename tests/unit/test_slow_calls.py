"""A command says that it waits for AWS, when an answer takes long."""

import threading
import time
from types import SimpleNamespace

import pytest
from botocore.hooks import HierarchicalEmitter

from labelwatch.shared import slow_calls

CALL = SimpleNamespace(name="GetCallerIdentity", service_model=SimpleNamespace(service_name="sts"))

OUTER = SimpleNamespace(name="GetObject", service_model=SimpleNamespace(service_name="s3"))


@pytest.fixture
def events() -> HierarchicalEmitter:
    emitter = HierarchicalEmitter()
    slow_calls.announce(emitter, seconds=0.05)
    return emitter


@pytest.mark.parametrize("end", ["after-call", "after-call-error"])
def test_a_call_without_an_answer_is_named(
    events: HierarchicalEmitter, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    events.emit("before-call.sts.GetCallerIdentity", model=CALL)
    time.sleep(0.3)
    events.emit(f"{end}.sts.GetCallerIdentity", model=CALL)
    captured = capsys.readouterr()
    assert "sts (GetCallerIdentity)" in captured.err
    assert not captured.out


@pytest.mark.parametrize("end", ["after-call", "after-call-error"])
def test_a_quick_call_is_not_mentioned(
    events: HierarchicalEmitter, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    events.emit("before-call.sts.GetCallerIdentity", model=CALL)
    events.emit(f"{end}.sts.GetCallerIdentity", model=CALL)
    time.sleep(0.3)
    assert not capsys.readouterr().err


def test_a_call_that_needs_another_call_first_is_named(
    events: HierarchicalEmitter, capsys: pytest.CaptureFixture[str]
) -> None:
    events.emit("before-call.s3.GetObject", model=OUTER)
    events.emit("before-call.sts.GetCallerIdentity", model=CALL)
    events.emit("after-call.sts.GetCallerIdentity", model=CALL)
    time.sleep(0.3)
    events.emit("after-call.s3.GetObject", model=OUTER)
    assert capsys.readouterr().err.startswith("Waiting for s3 (GetObject)")


def test_threads_that_wait_for_the_same_operation_are_one_line(
    events: HierarchicalEmitter, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = [
        threading.Thread(target=events.emit, args=["before-call.sts.GetCallerIdentity"], kwargs={"model": CALL})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert len(capsys.readouterr().err.splitlines()) == 1
