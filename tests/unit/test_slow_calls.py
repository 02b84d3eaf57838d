"""A command says that it waits for AWS, when an answer takes long."""

import time
from types import SimpleNamespace

import pytest
from botocore.hooks import HierarchicalEmitter

from labelwatch.shared import slow_calls

CALL = SimpleNamespace(name="GetCallerIdentity", service_model=SimpleNamespace(service_name="sts"))


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
