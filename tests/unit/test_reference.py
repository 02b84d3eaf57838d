"""The pages of docs/reference: all that the code declares, and a sentence where a page is not current."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chalicelib.domain.alerts import ATTRIBUTES
from chalicelib.domain.rows import Row
from chalicelib.settings import SETTINGS
from chalicelib.telemetry import METRICS
from checks.reference import markdown
from checks.reference.__main__ import PAGES, main
from checks.reference.commands import all_commands
from checks.reference.programs import json_commands, json_outputs
from labelwatch.__main__ import app
from labelwatch.dead_letters.advice import ADVICE
from labelwatch.deploy.packaging import resources
from labelwatch.deploy.parameters import PARAMETERS, option
from labelwatch.shared.errors import EXIT_CODES, CtrlCError, UserError

ALARMS = {name for name, resource in resources()["Resources"].items() if resource["Type"] == "AWS::CloudWatch::Alarm"}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: markdown.wrapped(page()) for name, page in PAGES.items()}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "reference"
    assert main("--write", folder=folder) == 0
    return folder


def test_written_pages_are_current(written: Path) -> None:
    assert main(folder=written) == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_not_current_fails_by_its_name(
    written: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (written / name).write_text("changed by hand")
    capsys.readouterr()
    assert main(folder=written) == 1
    (sentence,) = capsys.readouterr().out.splitlines()
    assert name in sentence
    assert "make docs" in sentence


def test_a_page_that_no_code_writes_any_more_fails_and_is_deleted(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (written / "by-hand.md").write_text("# Written by people\n")
    assert main(folder=written) == 0
    (written / "old.md").write_text(f"# Old\n\n{markdown.NOTICE}\n")
    assert main(folder=written) == 1
    assert "old.md" in capsys.readouterr().out
    assert main("--write", folder=written) == 0
    assert not (written / "old.md").exists()
    assert (written / "by-hand.md").exists()


def test_missing_pages_fail(tmp_path: Path) -> None:
    assert main(folder=tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings.md", [*PARAMETERS, *map(option, PARAMETERS), *(setting.variable for setting in SETTINGS)]),
        ("rows.md", [*Row.__struct_fields__, "dt"]),
        ("alerts.md", ATTRIBUTES),
        ("metrics.md", [*METRICS, *ALARMS]),
        ("dead-letter-reasons.md", [reason for row in ADVICE for reason in row]),
        ("commands.md", [f"labelwatch {path}" for path, _ in all_commands() if path]),
        ("exit-codes.md", [*EXIT_CODES, *(f"labelwatch {path}" for path in json_commands())]),
    ],
)
def test_a_page_names_all_that_the_code_declares(pages: dict[str, str], page: str, names: list[str]) -> None:
    text = " ".join(pages[page].split())
    assert [name for name in names if f"`{name}`" not in text] == []


def test_no_line_is_over_100_characters(pages: dict[str, str]) -> None:
    assert [line for text in pages.values() for line in text.splitlines() if len(line) > 100] == []


def test_every_option_of_a_command_is_on_the_page_with_its_help(pages: dict[str, str]) -> None:
    listed = CliRunner().invoke(app, ["dead-letters", "redrive", "--help"], env={"COLUMNS": "200"}).output
    section = pages["commands.md"].partition("## `labelwatch dead-letters redrive`")[2].partition("\n## ")[0]
    for name in ("--all", "--reason", "--key", "--dry-run", "--force", "--yes", "--stack", "--profile", "--region"):
        assert name in listed
        assert f"`{name}" in section or f", {name}" in section


def test_the_json_of_every_command_that_writes_json_has_an_example() -> None:
    assert sorted(json_outputs()) == sorted(json_commands())


def test_the_exit_codes_of_errors_are_explained() -> None:
    assert {UserError.exit_code, CtrlCError.exit_code} <= EXIT_CODES.keys()


def test_text_breaks_at_blanks_and_lists_hang_and_code_stays() -> None:
    code = f"```text\n{'code ' * 30}\n```"
    *item, opening, content, closing = markdown.wrapped(f"- {'word ' * 30}\n{code}").splitlines()
    assert [line[:3] for line in item] == ["- w", "  w"]
    assert f"{opening}\n{content}\n{closing}" == code
