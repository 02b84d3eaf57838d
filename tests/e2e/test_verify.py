"""`labelwatch verify` on the local AWS: all checks pass, and each fails for its own reason; nothing is left behind."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.support.command import invoke_labelwatch
from tests.support.pipeline import Pipeline, picture


@pytest.fixture(scope="module")
def leaf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with a label of interest."""
    file = tmp_path_factory.mktemp("leaf") / "leaf.jpg"
    file.write_bytes(picture("leaf-smut"))
    return file


def run_verify(pipeline: Pipeline, *words: str) -> CompletedProcess[str]:
    return invoke_labelwatch(
        pipeline.session, "verify", "--yes", "--format", "json", "--api-url", pipeline.session.api, *words
    )


def results(done: CompletedProcess[str]) -> dict[str, str]:
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return {finding["check"]: finding["result"] for finding in findings}


def test_all_checks_pass(pipeline: Pipeline, leaf: Path) -> None:
    done = run_verify(pipeline, "--image", str(leaf), "--expect", "leaf-smut")
    assert done.returncode == 0, done.stderr
    assert set(results(done).values()) == {"pass"}
