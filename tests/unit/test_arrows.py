"""The arrows of the house: which room may know of which."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CHALICELIB = sorted((PROJECT / "chalicelib").rglob("*.py"))
STEPS = ("detection", "notification", "ingestion", "uploads", "tokens", "watching", "keeping")


def imports(file: Path) -> set[str]:
    """The modules that a file imports, as dotted names; those of `from a import b` as `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def knows(file: Path, *modules: str) -> set[str]:
    return {name for name in imports(file) for module in modules if name == module or name.startswith(f"{module}.")}


@pytest.mark.parametrize("file", CHALICELIB, ids=lambda file: str(file.relative_to(PROJECT)))
def test_nothing_that_runs_in_lambda_knows_of_the_operator_s_command(file: Path) -> None:
    assert not knows(file, "labelwatch", "tests")


@pytest.mark.parametrize("file", CHALICELIB, ids=lambda file: str(file.relative_to(PROJECT)))
def test_only_adapters_and_the_wiring_know_boto3(file: Path) -> None:
    if file.parent.name != "adapters" and file.stem != "wiring":
        assert not knows(file, "boto3", "botocore", "mypy_boto3_s3")


@pytest.mark.parametrize("file", CHALICELIB, ids=lambda file: str(file.relative_to(PROJECT)))
def test_only_the_wiring_knows_adapters_beside_themselves(file: Path) -> None:
    if file.parent.name != "adapters" and file.stem != "wiring":
        assert not knows(file, "chalicelib.adapters", "chalicelib.wiring")


@pytest.mark.parametrize("file", sorted((PROJECT / "chalicelib" / "adapters").glob("*.py")), ids=lambda file: file.stem)
def test_adapters_know_only_the_words_and_the_faults(file: Path) -> None:
    allowed = ("chalicelib.model", "chalicelib.errors", "chalicelib.adapters.faults")
    assert knows(file, "chalicelib") <= knows(file, *allowed)


@pytest.mark.parametrize("step", STEPS)
def test_steps_do_not_know_each_other(step: str) -> None:
    others = [f"chalicelib.{other}" for other in STEPS if other != step]
    assert not knows(PROJECT / "chalicelib" / f"{step}.py", *others)


@pytest.mark.parametrize("file", CHALICELIB, ids=lambda file: str(file.relative_to(PROJECT)))
def test_only_the_settings_read_the_environment(file: Path) -> None:
    if file.stem != "settings":
        assert not knows(file, "os")


@pytest.mark.parametrize("name", ["model", "errors"])
def test_the_words_and_the_faults_know_nobody(name: str) -> None:
    assert not knows(PROJECT / "chalicelib" / f"{name}.py", "chalicelib")


def test_the_front_door_knows_the_wiring_and_no_room_behind_it() -> None:
    behind = [f"chalicelib.{name}" for name in (*STEPS, "adapters", "events", "rules", "alerts", "rows")]
    assert not knows(PROJECT / "app.py", *behind, "boto3")


def test_only_the_command_and_the_tests_know_the_embedded_cloud() -> None:
    outside = [
        PROJECT / "app.py",
        *CHALICELIB,
        PROJECT / "labelwatch" / "package.py",
        PROJECT / "labelwatch" / "stack.py",
    ]
    assert not [file for file in outside if knows(file, "labelwatch.local")]
