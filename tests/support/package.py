"""The package, made once for all processes of a test run."""

import fcntl
from pathlib import Path

import pytest

from labelwatch.deploy import Package, package


def made_once(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The template and the zip, as `labelwatch package` makes them; the first of pytest-xdist's workers makes them."""
    base = tmp_path_factory.getbasetemp()
    # A worker's folder is in that of the whole run.
    folder = (base.parent if base.name.startswith("popen-") else base) / "package"
    packaged = Package(folder / "template.json", folder / "deployment.zip")
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return packaged if packaged.zip.exists() else package(folder)
