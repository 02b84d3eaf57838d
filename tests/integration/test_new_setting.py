"""A copy of the sources with one more setting: the edits that CONTRIBUTING names, and no others, make it whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from labelwatch.shared.project import PROJECT

SOURCES = ("app.py", "chalicelib", "labelwatch", "infra", "athena", "checks", ".chalice", "pyproject.toml")
TESTS = ("conftest.py", "support", "unit/test_parameters.py")
SCRIPT = """
import json
from pathlib import Path
from chalicelib import settings
from labelwatch.deploy import packaging, stage
merged = packaging._overlay()["Resources"]
outputs = {setting.output: setting.default for setting in settings.SETTINGS}
outputs |= {setting.output: setting.kind.example for setting in settings.SETTINGS if setting.default is None}
outputs |= dict.fromkeys(stage.ROLES.values(), "role") | {"Tracing": "no", "PictureColor": "yes"}
config = Path(".chalice/config.json")
stage.write(config, "prod", "labelwatch-prod", outputs)
variables = stage.read(config)["stages"]["prod"]["environment_variables"]
try:
    settings.read(variables | {"PICTURE_COLOR": "blue"})
except settings.SettingError as mistake:
    problem = str(mistake)
print(json.dumps({
    "cloudformation": merged["Detect"]["Properties"]["Environment"]["Variables"]["PICTURE_COLOR"],
    "seen by a resource": "${PictureColor}" in json.dumps(merged["Database"]),
    "stage": variables["PICTURE_COLOR"],
    "settings": settings.read(variables).picture_color,
    "problem": problem,
}))
"""


class Edit(NamedTuple):
    """Puts `text` into the file, after `after`, which the file has once."""

    file: str
    after: str
    text: str


EDITS = (
    Edit(
        "chalicelib/settings.py",
        "    # --- Set by the operator, by a parameter of the stack.\n",
        '    picture_color = Setting("PICTURE_COLOR", YES_OR_NO, default="no", help="Pictures in color, yes or no.")\n',
    ),
    Edit(
        "infra/resources.yaml",
        "\nParameters:\n",
        "  PictureColor:\n"
        "    Type: String\n"
        '    Default: "no"\n'
        '    AllowedValues: ["yes", "no"]\n'
        "    Description: Pictures in color, yes or no.\n",
    ),
    Edit("infra/resources.yaml", "[EmailNotification, PictureLinks", ", PictureColor"),
    Edit("infra/resources.yaml", "${PictureLinks}", " ${PictureColor}"),
)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with every edit."""
    folder = tmp_path_factory.mktemp("copied")
    for name in (*SOURCES, *(f"tests/{name}" for name in TESTS)):
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(PROJECT / name, folder / name)
    for edit in EDITS:
        text = (folder / edit.file).read_text()
        assert text.count(edit.after) == 1, f"{edit.file} has not {edit.after!r} once"
        (folder / edit.file).write_text(text.replace(edit.after, edit.after + edit.text))
    return folder


def run(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_edits_are_those_of_contributing_and_four_at_most() -> None:
    section = (PROJECT / "CONTRIBUTING.md").read_text().partition("## A new setting\n")[2]
    files = re.findall(r"(?m)^\d\. `(\S+)`: ", section)
    assert [edit.file for edit in EDITS] == files
    assert len(files) <= 4


def test_labelwatch_up_has_the_option(copied: Path) -> None:
    assert "Pictures in color, yes or no" in run(copied, "-m", "labelwatch", "up", "--help")


def test_functions_stage_and_cloudformation_have_the_setting(copied: Path) -> None:
    found = json.loads(run(copied, "-c", SCRIPT))
    assert "PICTURE_COLOR" in found.pop("problem")
    assert found == {
        "cloudformation": {"Ref": "PictureColor"},
        "seen by a resource": True,
        "stage": "yes",
        "settings": True,
    }


def test_make_docs_writes_the_setting_into_the_reference(copied: Path) -> None:
    run(copied, "-m", "checks.reference", "--write")
    page = (copied / "docs" / "reference" / "settings.md").read_text()
    assert {"### `PictureColor`", "- Option: `--picture-color`", "- Variable: `PICTURE_COLOR`"} <= set(
        page.splitlines()
    )


def test_no_edit_is_missing(copied: Path) -> None:
    command = ("-m", "pytest", "-p", "no:cacheprovider", "tests/unit/test_parameters.py", "-k", "declared")
    assert "PictureColor] PASSED" in run(copied, *command, "-v")
