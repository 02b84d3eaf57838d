"""The functions' zip for a machine that cannot run Lambda's."""

from pathlib import Path
from zipfile import ZipFile, ZipInfo

import msgspec
import pytest

from labelwatch.deploy import Package
from labelwatch.local.host import LAMBDA, check_lambda_zip, note, package_for_host
from labelwatch.shared.errors import UserError

FOREIGN = "msgspec/_core.cpython-312-x86_64-linux-gnu.so"


def package_with(folder: Path, *files: str) -> Package:
    archive = folder / "deployment.zip"
    with ZipFile(archive, "w") as content:
        for file in files:
            entry = ZipInfo(file, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o755 << 16
            content.writestr(entry, f"Lambda's {file}")
    return Package(folder / "template.json", archive)


def test_the_machine_of_lambda_gets_the_very_zip(tmp_path: Path) -> None:
    package = package_with(tmp_path, FOREIGN)
    assert package_for_host(package, tmp_path, LAMBDA) is package
    assert not note(LAMBDA)
    check_lambda_zip(LAMBDA)


@pytest.mark.parametrize("machine", ["Darwin arm64", "Linux aarch64"])
def test_another_machine_gets_this_python_s_compiled_modules(tmp_path: Path, machine: str) -> None:
    package = package_for_host(package_with(tmp_path, FOREIGN, "app.py"), tmp_path, machine)
    with ZipFile(package.zip) as archive:
        archive.extractall(tmp_path / "functions")
    assert (tmp_path / "functions" / "app.py").read_text() == "Lambda's app.py"
    (compiled,) = (tmp_path / "functions" / "msgspec").iterdir()
    assert compiled.read_bytes() == Path(msgspec.__file__).with_name(compiled.name).read_bytes()
    assert machine in note(machine)


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("no_such_module/_core.abi3.so", r"no_such_module\._core"),
        ("msgspec/no_such_module.so", r"msgspec\.no_such_module"),
        ("msgspec.so", "msgspec"),
        ("sys.so", "sys"),
    ],
)
def test_a_module_that_this_python_has_not_compiled_is_named(tmp_path: Path, file: str, module: str) -> None:
    with pytest.raises(UserError, match=f"compiled module {module} "):
        package_for_host(package_with(tmp_path, file), tmp_path, "Darwin arm64")


def test_all_other_files_keep_their_time_and_mode(tmp_path: Path) -> None:
    package = package_with(tmp_path, "app.py")
    with ZipFile(package.zip) as before, ZipFile(package_for_host(package, tmp_path, "Darwin arm64").zip) as after:
        assert [(file.date_time, file.external_attr) for file in after.infolist()] == [
            (file.date_time, file.external_attr) for file in before.infolist()
        ]


def test_what_needs_lambda_s_zip_itself_refuses_another_machine() -> None:
    with pytest.raises(UserError, match="Darwin arm64"):
        check_lambda_zip("Darwin arm64")
