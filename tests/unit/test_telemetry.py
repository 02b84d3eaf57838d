"""The metrics: what the code emits is what it declares."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.telemetry import METRICS
from tests.support.fakes import FakeTelemetry

PROJECT = Path(__file__).parents[2]


def emitted() -> set[str]:
    """The names that `telemetry.count` and `telemetry.time` are called with, anywhere in chalicelib."""
    return {
        constant.value
        for file in (PROJECT / "chalicelib").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and is_emission(call.func)
        for constant in ast.walk(call.args[0])
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }


def is_emission(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in {"count", "time"}
        and ast.unparse(function.value).endswith("telemetry")
    )


def test_every_metric_that_the_code_emits_is_declared_and_every_declared_metric_is_emitted() -> None:
    assert emitted() == METRICS.keys()


@pytest.mark.parametrize("emit", [FakeTelemetry().count, FakeTelemetry().time])
def test_the_fake_refuses_a_metric_that_is_not_declared(emit: Callable[[str, int], None]) -> None:
    with pytest.raises(AssertionError, match="ImagesLost"):
        emit("ImagesLost", 1)
