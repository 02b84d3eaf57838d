"""What goes to Lambda, and what does not."""

from __future__ import annotations

import marshal
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from importlib.util import MAGIC_NUMBER, cache_from_source, source_from_cache, source_hash
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from chalicelib import __version__
from labelwatch.deploy import Package, packaging
from labelwatch.shared.project import PROJECT


def zipped(packaged: Package) -> dict[str, bytes]:
    with zipfile.ZipFile(packaged.zip) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def runtimes(template: dict[str, Any]) -> set[str]:
    resources = template["Resources"].values()
    return {resource["Properties"]["Runtime"] for resource in resources if resource["Type"].endswith("::Function")}


def in_zip(source: Path) -> str:
    return source.relative_to(PROJECT).as_posix()


def test_the_zip_has_the_code_as_it_is(packaged: Package) -> None:
    sources = [PROJECT / "app.py", *(PROJECT / "chalicelib").rglob("*.py")]
    packed = zipped(packaged)
    assert {name: packed.get(name) for name in map(in_zip, sources)} == {
        in_zip(source): source.read_bytes() for source in sources
    }


def test_the_zip_has_the_msgspec_extension_for_its_runtime(packaged: Package, template: dict[str, Any]) -> None:
    (runtime,) = runtimes(template)
    compiled = f"msgspec/_core.c{runtime.replace('.', '').replace('python', 'python-')}-x86_64-linux-gnu.so"
    assert compiled in zipped(packaged)


@pytest.mark.parametrize("package", ["boto3", "botocore", "labelwatch", "tests"])
def test_the_zip_has_nothing_that_lambda_does_not_need(packaged: Package, package: str) -> None:
    assert [name for name in zipped(packaged) if name.split("/")[0] == package] == []


def test_every_module_has_its_compiled_code_for_the_runtime_of_the_template(
    packaged: Package, template: dict[str, Any]
) -> None:
    (runtime,) = runtimes(template)
    tag = runtime.replace(".", "").replace("python", "cpython-")
    files = zipped(packaged)
    modules = {PurePosixPath(name) for name in files if name.endswith(".py")}
    compiled = {PurePosixPath(name) for name in files if name.endswith(".pyc")}
    assert compiled == {module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc" for module in modules}


def test_compiled_code_is_of_the_source_beside_it_and_python_checks_that(packaged: Package) -> None:
    files = zipped(packaged)
    compiled = files[cache_from_source("chalicelib/wiring.py")]
    # https://docs.python.org/3/reference/import.html#pyc-invalidation: magic number, flags, hash of the source
    magic, flags, digest = struct.unpack("<4sI8s", compiled[:16])
    assert (magic, flags) == (MAGIC_NUMBER, 0b11)
    assert digest == source_hash(files["chalicelib/wiring.py"])


def test_a_source_that_was_edited_is_compiled_anew(packaged: Package, tmp_path: Path) -> None:
    module = "chalicelib/__init__.py"
    with zipfile.ZipFile(packaged.zip) as archive:
        archive.extractall(tmp_path, [module, cache_from_source(module)])
    version = [sys.executable, "-B", "-S", "-c", "import chalicelib; print(chalicelib.__version__)"]
    before = subprocess.run(version, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    with (tmp_path / module).open("a") as file:
        file.write('__version__ = "edited"\n')
    after = subprocess.run(version, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert (before, after) == (f"{__version__}\n", "edited\n")


def test_compiled_code_names_no_folder_of_this_machine(packaged: Package) -> None:
    for name, content in zipped(packaged).items():
        if name.endswith(".pyc"):
            code = marshal.loads(content[16:])  # noqa: S302 - the project's own code
            assert code.co_filename == f"/var/task/{source_from_cache(name)}"
    assert str(PROJECT).encode() not in b"".join(zipped(packaged).values())


def test_another_process_makes_the_same_zip(packaged: Package, tmp_path: Path) -> None:
    # Sets are in another order there, nothing of pytest is imported, and compiled code is kept elsewhere.
    another = {"PYTHONHASHSEED": "1", "PYTHONPYCACHEPREFIX": str(tmp_path / "cache")}
    subprocess.run(
        [sys.executable, "-m", "labelwatch", "package", "--build", str(tmp_path)],
        cwd=PROJECT, env=os.environ | another, check=True, capture_output=True,
    )  # fmt: skip
    assert (tmp_path / "deployment.zip").read_bytes() == packaged.zip.read_bytes()


def test_the_zip_is_under_four_megabytes(packaged: Package) -> None:
    assert packaged.zip.stat().st_size < 4_000_000


def licensed(files: dict[str, bytes]) -> set[str]:
    """The distributions that have the text of their licence in their dist-info."""
    paths = {PurePosixPath(name) for name, text in files.items() if text.strip()}
    texts = {path for path in paths if path.name.startswith("LICEN") and path.parts[0].endswith(".dist-info")}
    return {text.parts[0].partition("-")[0] for text in texts}


def test_every_package_of_the_zip_has_the_text_of_its_licence(packaged: Package) -> None:
    files = zipped(packaged)
    top_level = {PurePosixPath(name).parts[0] for name in files} - {"__pycache__", "LICENSE"}
    # A distribution here has the name of its package; the data of a wheel are its scripts.
    packages = {name.removesuffix(".py") for name in top_level if not name.endswith((".dist-info", ".data"))}
    assert packages - {"app", "chalicelib"} == licensed(files)
    assert files["LICENSE"] == (PROJECT / "LICENSE").read_bytes()


def test_the_zip_has_the_licence_and_the_notice_of_chalice(packaged: Package) -> None:
    chalice = {PurePosixPath(name).name: text for name, text in zipped(packaged).items() if name.startswith("chalice-")}
    assert b"Apache License" in chalice["LICENSE"]
    assert b"James Saryerwinnie" in chalice["NOTICE"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, for which Chalice has downloaded nothing yet."""
    copied = tmp_path / "project"
    shutil.copytree(PROJECT, copied, ignore=shutil.ignore_patterns(".*", "build", "docs", "tests", "node_modules"))
    shutil.copytree(PROJECT / ".chalice", copied / ".chalice", ignore=shutil.ignore_patterns("deployments"))
    return copied


def package_in(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labelwatch", "package", "--build", str(project / "build")],
        cwd=project, env=os.environ | environment, umask=0o077, check=False, capture_output=True, text=True,
    )  # fmt: skip


def modes(archive: Path) -> dict[str, int]:
    with zipfile.ZipFile(archive) as content:
        return {file.filename: (file.external_attr >> 16) & 0o777 for file in content.infolist()}


def test_lambda_can_read_every_file_although_the_files_of_a_command_are_private(project: Path) -> None:
    (project / "app.py").chmod(0o600)
    package_in(project)
    assert set(modes(project / "build" / "deployment.zip").values()) == {0o644}
    (downloaded,) = (project / ".chalice" / "deployments").glob("*.zip")  # `chalice deploy` uses this file again
    assert [name for name, mode in modes(downloaded).items() if "chalicelib" not in name and not mode & 0o004] == [
        "app.py"
    ]


def forged(folder: Path, name: str) -> dict[str, str]:
    """The environment of pip with an index that has nothing but a forged wheel, under the name of a locked one."""
    distribution, version, *_ = name.split("-")
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for file, text in {
            "METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
            "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n",
        }.items():
            wheel.writestr(f"{distribution}-{version}.dist-info/{file}", text)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_NO_CACHE_DIR": "1"}


def test_a_wheel_with_another_hash_is_not_packaged(project: Path, tmp_path: Path) -> None:
    lock = (PROJECT / packaging.LOCK).read_text()
    (version,) = re.findall(r"^aws-lambda-powertools==(\S+)", lock, re.MULTILINE)
    index = forged(tmp_path, f"aws_lambda_powertools-{version}-py3-none-any.whl")
    completed = package_in(project, **index)
    assert completed.returncode == 1
    assert "requirements.txt" in completed.stderr


def test_a_wheel_that_chalice_downloads_by_its_name_needs_its_hash_too(tmp_path: Path) -> None:
    """As Chalice does on a machine whose own wheel of the package does not fit Lambda."""
    lock = (PROJECT / packaging.LOCK).read_text()
    (version,) = re.findall(r"^markupsafe==(\S+)", lock, re.MULTILINE)
    abi = f"cp{sys.version_info.major}{sys.version_info.minor}"
    index = forged(tmp_path, f"markupsafe-{version}-{abi}-{abi}-manylinux_2_17_x86_64.whl")
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--only-binary=:all:",
        "--no-deps",
        "--dest",
        str(tmp_path / "to"),
    ]
    platform = ["--platform", "manylinux_2_17_x86_64", "--implementation", "cp", "--abi", abi]
    completed = subprocess.run(
        [*download, *platform, f"markupsafe=={version}"],
        cwd=PROJECT, env=packaging._environment() | index, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert completed.returncode == 1
    assert "HASHES" in completed.stderr
