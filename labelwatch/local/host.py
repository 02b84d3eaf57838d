"""The functions' zip for this machine: Lambda's zip holds modules that are compiled for Linux on x86-64."""

import platform
import sys
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZipFile

from labelwatch.deploy import Package
from labelwatch.shared.errors import UserError

LAMBDA = "Linux x86_64"
MACHINE = f"{platform.system()} {platform.machine()}"


def check_lambda_zip(machine: str = MACHINE) -> None:
    """Raises UserError where the very zip that AWS gets does not run."""
    if machine != LAMBDA:
        raise UserError(f"Lambda's zip does not run on {machine}. Use a machine with {LAMBDA}.")


def note(machine: str = MACHINE) -> str:
    """What differs on this machine; empty where the local AWS runs the very zip that AWS gets."""
    if machine == LAMBDA:
        return ""
    return (
        f"The local AWS is tested on {LAMBDA} only. On {machine}, the functions run with this Python's compiled "
        "modules instead of Lambda's.\n"
    )


def package_for_host(package: Package, folder: Path, machine: str = MACHINE) -> Package:
    """The package that runs on this machine; where Lambda's zip does not, with another zip in this folder."""
    if machine == LAMBDA:
        return package
    target = folder / "host.zip"
    _write_host_zip(package.zip, target)
    return package._replace(zip=target)


def _write_host_zip(archive: Path, target: Path) -> None:
    with ZipFile(archive) as original, ZipFile(target, "w", ZIP_DEFLATED) as changed:
        for file in original.infolist():
            if file.filename.endswith(".so"):
                path = PurePosixPath(file.filename)
                compiled = _compiled_module(path)
                changed.write(compiled, str(path.with_name(compiled.name)))
            else:
                changed.writestr(file, original.read(file))


def _compiled_module(path: PurePosixPath) -> Path:
    """This Python's file of the module: `msgspec/_core.cpython-312-x86_64-linux-gnu.so` is `msgspec._core`."""
    module = ".".join(path.with_name(path.name.partition(".")[0]).parts)
    with suppress(ModuleNotFoundError):  # of the package that should hold the module
        found = find_spec(module)
        # Not the source of a package of this name, nor a module inside the interpreter.
        if found and found.origin and found.origin.endswith(tuple(EXTENSION_SUFFIXES)):
            return Path(found.origin)
    raise UserError(f"No compiled module {module} in {sys.prefix}. Run make setup.")
