"""The CloudFormation deployment: resources, overlay and Chalice's package, as one template and one zip."""

import json
import os
import re
import subprocess
import sys
import tempfile
from copy import copy
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from chalicelib import settings
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT

# The stage of .chalice/config.json whose values the overlay replaces.
PACKAGING_STAGE = "template"
# Where Lambda unpacks the zip: the path that a traceback shows.
LAMBDA_TASK_ROOT = "/var/task"
# The attributes of a file in a zip: a file with mode 0644.
READABLE = 0o100644 << 16
# The locked versions and hashes of what is in the zip, in the folder of the project.
LOCK = "requirements.txt"
# The whitespace of JSON, or a text in it, whose own blanks count.
_WHITESPACE = re.compile(r'(?P<text>"[^"]*")|\s+')
# CloudFormation copies a stack's tags to its resources. A stack launched by hand has none: the template sets the tags.
_TAGGED = {
    "AWS::Athena::WorkGroup",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::DynamoDB::Table",
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
}
OLDEST_PYTHON, NEWEST_PYTHON = (3, 12), (3, 14)


class Package(NamedTuple):
    """What CloudFormation needs, as two files."""

    template: Path
    zip: Path


def package(build: Path) -> Package:
    """Creates template.json and deployment.zip in this folder; raises UserError with Chalice's message on failure."""
    check_python()
    build.mkdir(parents=True, exist_ok=True)
    overlay = build / "overlay.json"
    overlay.write_text(json.dumps(_overlay()))
    command = [_chalice(), "package", "--stage", PACKAGING_STAGE, "--template-format", "json"]
    result = subprocess.run(  # noqa: S603 - the command is ours
        [*command, "--merge-template", str(overlay), str(build)],
        cwd=PROJECT,
        env=_environment(),
        umask=0o022,  # `chalice deploy` uses the same downloaded packages again, with their modes
        capture_output=True,
        text=True,
        check=False,
    )
    overlay.unlink()
    if result.returncode:
        raise UserError(
            f"`chalice package` failed: {_reason(result.stderr or result.stdout)}. Correct the error, then run the "
            "command again."
        )
    template = build / "template.json"
    template.write_text(json.dumps(_without_chalice_outputs(json.loads((build / "sam.json").read_text())), indent=2))
    (build / "sam.json").unlink()
    _add_licences(build / "deployment.zip")
    _add_compiled_code(build / "deployment.zip")
    return Package(template, build / "deployment.zip")


def resources() -> dict[str, Any]:
    """The template of all resources except the functions; the dashboard without whitespace."""
    template = load_template(PROJECT / "infra" / "resources.yaml")
    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    body[0] = _WHITESPACE.sub(lambda found: found["text"] or "", body[0])
    return template


def check_python() -> None:
    """Raises UserError where Lambda does not run this Python: Chalice packages for the Python that it runs on."""
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        raise UserError(
            f"Python {sys.version_info.major}.{sys.version_info.minor} is not supported: Chalice packages for its own "
            "Python version, and Lambda runs Python 3.12 to 3.14. Run `make setup` with one of these versions."
        )


def load_template(path: Path) -> dict[str, Any]:
    """A YAML template with its short intrinsic functions (!Ref and the others) written out."""
    from chalice.package import YAMLTemplateSerializer

    template: dict[str, Any] = YAMLTemplateSerializer().load_template(path.read_text(), path.name)
    return template


def _environment() -> dict[str, str]:
    """The environment of `chalice package`, which imports app.py: with an example value for each setting.

    One Region, without the user's AWS configuration, which may be broken: the template is the same for all users.
    """
    variables = {setting.variable for setting in settings.SETTINGS}
    users = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name not in variables}
    nobody = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # With its hashes: a wheel that fits Lambda and not this machine, Chalice downloads by name and version alone.
        # Relative to the project: pip would split a path at spaces.
        "PIP_CONSTRAINT": LOCK,
    }
    return users | nobody | {"AWS_DEFAULT_REGION": "us-east-1"} | settings.examples()


def _reason(output: str) -> str:
    """Chalice's last line, or what pip says on many lines."""
    if "DO NOT MATCH THE HASHES" in output:
        return f"a downloaded package does not have the hash that {LOCK} names"
    *_, last = ["no output", *output.strip().splitlines()]
    return last.rstrip(".")


def _overlay() -> dict[str, Any]:
    """The resources with the overlay: Chalice merges one file only."""
    from chalice.package import TemplateDeepMerger

    overlay = load_template(PROJECT / "infra" / "functions.yaml")
    template = resources()
    for resource in template["Resources"].values():
        if resource["Type"] in _TAGGED:
            resource["Properties"]["Tags"] = template["Resources"]["InputBucket"]["Properties"]["Tags"]
    merged: dict[str, Any] = TemplateDeepMerger().merge(
        {name: overlay[name] for name in ("Conditions", "Resources", "Outputs")}, template
    )
    variables = _variables(template["Outputs"])
    for resource in merged["Resources"].values():
        environment = resource.get("Properties", {}).get("Environment")
        if environment:
            environment["Variables"] = variables | environment["Variables"]
    return merged


def _without_chalice_outputs(template: dict[str, Any]) -> dict[str, Any]:
    """The template without Chalice's own outputs, which have no description."""
    described = {name: output for name, output in template["Outputs"].items() if "Description" in output}
    return template | {"Outputs": described}


def _variables(outputs: dict[str, Any]) -> dict[str, Any]:
    """The functions' environment by outputs and parameters; an existing bucket is for `chalice deploy` alone."""
    return {
        setting.variable: outputs[setting.output]["Value"] if setting.output in outputs else {"Ref": setting.parameter}
        for setting in settings.SETTINGS
        if setting.output and setting is not settings.Settings.existing_bucket
    }


def _add_licences(archive: Path) -> None:
    """Adds the licences of the project and of Chalice, whose runtime Chalice copies without its licence.

    All other packages are whole wheels, which have their licences inside.
    """
    texts = {"LICENSE": (PROJECT / "LICENSE").read_bytes()}
    for file in distribution("chalice").files or ():
        if "licenses" in file.parts:
            texts[str(file)] = file.read_binary()
    with ZipFile(archive, "a") as target:
        for name, text in texts.items():
            target.writestr(ZipInfo(name), text)  # of 1980, as all files of the zip


def _add_compiled_code(archive: Path) -> None:
    """Adds each module's compiled code, the same on every machine, and drops the compiled code that Chalice packaged.

    Lambda cannot keep what Python compiles: without this, each cold start compiles every module (docs/decisions/0019).
    Every file is readable for all, as Lambda requires, whatever the umask of this process.
    """
    rewritten = archive.with_suffix(".new")
    with (
        tempfile.TemporaryDirectory() as folder,
        ZipFile(archive) as original,
        ZipFile(rewritten, "w", ZIP_DEFLATED) as target,
    ):
        original.extractall(folder)
        # In a separate process: the modules that this process has imported would change the compiled code.
        command = [sys.executable, "-I", "-S", "-m", "compileall", "-q", "-f", "-o", "0"]
        paths = ["-s", folder, "-p", LAMBDA_TASK_ROOT, folder]
        result = subprocess.run(  # noqa: S603 - the command is ours
            [*command, "--invalidation-mode", "checked-hash", *paths], capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise UserError(f"Could not compile a module of the package: {result.stdout.strip()}")
        for file in original.infolist():
            if "__pycache__" in file.filename:
                continue
            content = original.read(file)
            file.external_attr, file.compress_type = READABLE, ZIP_DEFLATED
            target.writestr(file, content)
            if file.filename.endswith(".py"):
                compiled = copy(file)
                compiled.filename = _compiled_name(file.filename)
                target.writestr(compiled, Path(folder, compiled.filename).read_bytes())
    rewritten.replace(archive)


def _compiled_name(source: str) -> str:
    """The path of the compiled code; not from importlib, which obeys PYTHONPYCACHEPREFIX."""
    path = PurePosixPath(source)
    return str(path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc")


def _chalice() -> str:
    command = Path(sys.executable).with_name("chalice")
    if not command.exists():
        raise UserError("`chalice` is not installed for this Python. Run `make setup`.")
    return str(command)
