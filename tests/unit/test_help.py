"""`labelwatch --help` is quick: a command imports its libraries when it runs."""

import subprocess
import sys

import pytest
import typer
from typer.main import get_command, get_group
from typer.testing import CliRunner

from labelwatch.__main__ import app
from labelwatch.shared.project import PROJECT

LARGE_LIBRARIES = {"boto3", "chalice", "jinja2", "PIL", "sqlglot", "vl_convert"}


def test_no_command_imports_a_large_library_before_it_runs() -> None:
    code = "import sys, labelwatch.__main__; print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    imported = set(process.stdout.split())
    assert "labelwatch.commands.report" in imported
    assert not imported & LARGE_LIBRARIES


@pytest.mark.parametrize("command", [(), ("up",), ("dead-letters", "list")], ids=" ".join)
def test_h_is_help_for_every_command(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "-h"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_stack_can_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELWATCH_STACK", "labelwatch-prod")
    context = typer.Context(get_command(app))
    audit = get_group(app).get_command(context, "audit")
    assert audit
    (stack,) = (parameter for parameter in audit.params if parameter.name == "stack")
    assert stack.value_from_envvar(context) == "labelwatch-prod"
