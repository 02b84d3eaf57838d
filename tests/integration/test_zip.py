"""What goes to Lambda, and what does not."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from labelwatch.deploy.package import Package
from labelwatch.shared.project import PROJECT


def zipped(packaged: Package) -> dict[str, bytes]:
    with zipfile.ZipFile(packaged.zip) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def in_zip(source: Path) -> str:
    return source.relative_to(PROJECT).as_posix()


def test_the_zip_has_the_code_as_it_is(packaged: Package) -> None:
    sources = [PROJECT / "app.py", *(PROJECT / "chalicelib").rglob("*.py")]
    packed = zipped(packaged)
    assert {name: packed.get(name) for name in map(in_zip, sources)} == {
        in_zip(one): one.read_bytes() for one in sources
    }


def test_the_zip_has_msgspec_compiled_for_its_runtime(packaged: Package, template: dict[str, Any]) -> None:
    functions = [one["Properties"] for one in template["Resources"].values() if one["Type"].endswith("::Function")]
    (runtime,) = {one["Runtime"] for one in functions}
    compiled = f"msgspec/_core.c{runtime.replace('.', '').replace('python', 'python-')}-x86_64-linux-gnu.so"
    assert compiled in zipped(packaged)


@pytest.mark.parametrize("package", ["boto3", "botocore", "labelwatch", "tests"])
def test_the_zip_has_nothing_that_lambda_does_not_need(packaged: Package, package: str) -> None:
    assert [name for name in zipped(packaged) if name.split("/")[0] == package] == []


def test_the_zip_has_no_compiled_python_of_this_machine(packaged: Package) -> None:
    assert [name for name in zipped(packaged) if "__pycache__" in name or name.endswith(".pyc")] == []


def test_the_zip_is_under_two_megabytes(packaged: Package) -> None:
    assert packaged.zip.stat().st_size < 2_000_000
