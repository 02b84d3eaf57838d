"""The examples of docs/uploads.md, run unchanged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labelwatch.shared.project import PROJECT
from labelwatch.uploads import tokens
from tests.support.pipeline import Pipeline, picture

NAMES = ["leaf 1.jpg", "it's.jpeg", "稲 葉.png"]
CLEANED = {"leaf-1.jpg", "it-s.jpeg", "稲-葉.png"}
# The files that a page's script would get from <input type="file">, and the call.
AROUND_JAVASCRIPT = """
%s
import { readFileSync } from "node:fs";
import { basename } from "node:path";
for (const path of process.argv.slice(2)) {
  const file = new File([readFileSync(path)], basename(path));
  console.log(path, "->", await upload(process.env.API, process.env.TOKEN, file));
}
"""


def example(name: str) -> str:
    text = (PROJECT / "docs" / "uploads.md").read_text()
    (code,) = re.findall(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    return str(code)


@pytest.fixture
def leaves(tmp_path: Path) -> Path:
    folder = tmp_path / "my leaves"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(picture(form="PNG" if name.endswith("png") else "JPEG"))
    (folder / "notes.txt").write_text("Spray on Tuesday.")
    return folder


def uploaded(pipeline: Pipeline, command: list[str], client: str) -> set[str]:
    """Runs the command, waits for predictions of the keys that it prints, and returns the file names in the keys."""
    token = tokens.create(pipeline.session.tokens, client)
    environment = {"PATH": os.environ["PATH"], "API": pipeline.session.api, "TOKEN": token, "no_proxy": "127.0.0.1"}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert completed.returncode == 0, completed.stderr
    keys = [line.rpartition(" -> ")[2] for line in completed.stdout.splitlines()]
    pipeline.wait_for(*keys)
    assert all(pipeline.predictions[key].labels for key in keys)
    return {key.rpartition("/")[2].partition("-")[2] for key in keys}


@pytest.mark.skipif(not shutil.which("jq"), reason="jq, which this example needs, is not installed")
def test_a_folder_is_uploaded_from_a_shell_script(pipeline: Pipeline, leaves: Path, tmp_path: Path) -> None:
    script = tmp_path / "upload-folder"
    script.write_text(example("folder"))
    assert uploaded(pipeline, ["sh", str(script), str(leaves)], "shell") == CLEANED


def test_images_are_uploaded_from_python(pipeline: Pipeline, leaves: Path, tmp_path: Path) -> None:
    script = tmp_path / "upload.py"
    script.write_text(example("python"))
    command = [sys.executable, str(script), *(str(leaves / name) for name in NAMES)]
    assert uploaded(pipeline, command, "python") == CLEANED


@pytest.mark.skipif(not shutil.which("node"), reason="node, which runs this example, is not installed")
def test_images_are_uploaded_from_javascript(pipeline: Pipeline, leaves: Path, tmp_path: Path) -> None:
    script = tmp_path / "upload.mjs"
    script.write_text(AROUND_JAVASCRIPT % example("javascript"))
    command = ["node", str(script), *(str(leaves / name) for name in NAMES)]
    assert uploaded(pipeline, command, "javascript") == CLEANED
