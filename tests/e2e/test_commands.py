"""The commands in a terminal, each in a folder of its own: build/ and a local AWS that runs are left alone."""

import email
import email.policy
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from labelwatch.shared.project import PROJECT

LABELWATCH = str(Path(sys.executable).with_name("labelwatch"))
MAX_SECONDS = 120


def run(*arguments: str, build: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LABELWATCH, *arguments],
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
        env=os.environ | {"COLUMNS": "160", "LABELWATCH_BUILD": str(build)} | environment,
    )


def table_rows(output: str) -> list[list[str]]:
    """The cells of each row of the table of labels."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines()]
    return [row for row in rows if len(row) == 5]


class Demo(NamedTuple):
    """The output of the demo, and the folder of its result."""

    output: str
    folder: Path

    @property
    def rows(self) -> list[str]:
        return [file.read_text() for file in self.folder.glob("predictions/dt=*/*.json")]

    @property
    def subjects(self) -> list[str]:
        mails = (file.read_bytes() for file in self.folder.glob("alerts/*.eml"))
        return [email.message_from_bytes(mail, policy=email.policy.default)["Subject"] for mail in mails]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One run, with a configuration of the user's that would break it if the demo depended on it."""
    build = tmp_path_factory.mktemp("build")
    completed = run("demo", build=build, AWS_PROFILE="nobody", HTTP_PROXY="http://127.0.0.1:9")
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return Demo(completed.stdout, build / "demo")


def test_the_demo_accounts_for_every_image(demo: Demo) -> None:
    assert "34 of 34" in demo.output
    assert "33 predictions, 1 dead letter" in demo.output
    assert re.search(r"field 1/notes\.jpg: .*InvalidImageFormatException", demo.output)
    assert "field 1/television.png: no label" in demo.output


def test_the_demo_counts_images_of_each_label_and_all_alerts(demo: Demo) -> None:
    rows = table_rows(demo.output)
    images = {row[0]: int(row[1]) for row in rows if row[1].isdigit()}
    assert len(images) == 4
    assert sum(images.values()) == 32
    assert len(set(images.values())) == 4
    (total,) = (int(row[-1]) for row in rows if row[0] == "Alerts in all")
    assert total == len(demo.subjects)


def test_the_demo_leaves_a_report_and_a_chart(demo: Demo) -> None:
    assert str(demo.folder / "report.html") in demo.output
    report = (demo.folder / "report.html").read_text()
    assert "labelwatch (demo)" in report
    predictions, of_interest, *_, dead_letters = re.findall(r"<dd>(\d+)", report)
    assert (predictions, dead_letters) == ("33", "1")
    assert report.count("data:image/jpeg") == min(24, int(of_interest)) > 0
    with Image.open(demo.folder / "labels.png") as chart:
        assert chart.format == "PNG"


def test_the_demo_leaves_the_rows_and_the_alerts(demo: Demo) -> None:
    presigned = [row for row in demo.rows if re.search(r'"image": ?"uploads/demo/[0-9-]{10}/[a-z2-7]{16}-', row)]
    assert (len(demo.rows), len(presigned)) == (33, 16)
    assert demo.subjects
    assert all(" in " in subject for subject in demo.subjects)


def test_all_files_of_the_demo_are_readable_for_the_user_alone(demo: Demo) -> None:
    """The alerts have links, and the report and the local AWS have pictures."""
    others = [path for path in (demo.folder, *demo.folder.rglob("*")) if path.stat().st_mode & 0o077]
    assert others == []


def test_labels_of_a_folder_with_markup_or_formulas_are_shown_unchanged(tmp_path: Path) -> None:
    for label, colour in (("[bold]a$^$", 40), (":smile:b$\\q$", 200)):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(8):
            noise = Image.effect_noise((96, 96), 40 + number)
            noise.point(lambda value, base=colour: value // 5 + base).convert("RGB").save(
                tmp_path / "images" / label / f"{number}.png"
            )
    completed = run("demo", "--images", str(tmp_path / "images"), build=tmp_path)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert {"[bold]a$^$", ":smile:b$\\q$"} <= {row[0] for row in table_rows(completed.stdout)}
    assert "drawn" not in completed.stdout


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [(("demo", "--images", "/nowhere"), "/nowhere"), (("package", "--build", "/proc/none"), "/proc/none")],
    ids=["of the user", "of the operating system"],
)
def test_an_error_is_one_line(tmp_path: Path, arguments: tuple[str, ...], phrase: str) -> None:
    completed = run(*arguments, build=tmp_path)
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1)
    assert completed.stderr.startswith("labelwatch: ")
    assert phrase in completed.stderr


@contextmanager
def local_up(build: Path) -> Iterator[subprocess.Popen[str]]:
    """`labelwatch local up` as a process that a test reads from."""
    process = subprocess.Popen(
        [LABELWATCH, "local", "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "300", "PYTHONUNBUFFERED": "1", "LABELWATCH_BUILD": str(build)},
    )
    watchdog = threading.Timer(MAX_SECONDS, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return line.strip()
    raise AssertionError(f"{pattern} was not printed, but this:\n{''.join(lines)}")


def end(process: subprocess.Popen[str], ending: signal.Signals, endpoint: str) -> int:
    """The exit code; nothing answers at the endpoint any more."""
    process.send_signal(ending)
    code = process.wait(MAX_SECONDS)
    port = int(endpoint.rpartition(":")[2])
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))
    return code


def test_local_up_prints_working_commands_and_outcomes_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    build = tmp_path / "a blank"

    def shell(*lines: str) -> str:
        completed = subprocess.run(  # noqa: S602 - as a person pastes them
            "\n".join(lines),
            shell=True,
            check=True,
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
            env=os.environ | {"LABELWATCH_BUILD": str(build), "AWS_PROFILE": "nobody"},
        )
        return completed.stdout

    with local_up(build) as up:
        endpoint = read_until(up, "^Endpoint: ").removeprefix("Endpoint: ")
        assert "drawn leaves" in read_until(up, "drawn")
        variables = read_until(up, "^export ")
        upload_line = read_until(up, "s3 cp")
        presigned_line = f"{read_until(up, '^export API=')}\n{read_until(up, 'curl_uploads')}"
        queues, *_, defer_seconds = shell(
            variables,
            "aws sqs list-queues --output text",
            "labelwatch model status",
            "aws lambda get-function-configuration --function-name labelwatch-detect --output text "
            "--query Environment.Variables.DEFER_SECONDS",
        ).splitlines()
        assert f"{endpoint}/" in queues
        assert int(defer_seconds) < 60
        # An object without rows must not stop the command.
        no_row = f"s3://{OUTPUT_BUCKET}/predictions/dt=2026-11-22/x.json"
        shell(variables, f"echo 1 | aws s3 cp - {no_row}", upload_line)
        assert read_until(up, r"field 1/.*\.jpg: [\w-]+ \d")
        shell(variables, f"labelwatch backfill 's3://{INPUT_BUCKET}/field 1/' --force --yes")
        assert read_until(up, r"field 1/.*\.jpg: [\w-]+ \d")
        shell(variables, f"aws s3 rm {no_row}", presigned_line)
        assert read_until(up, r"uploads/demo/.*\.jpg: [\w-]+ \d")
        with pytest.raises(subprocess.CalledProcessError) as refused:
            shell(presigned_line.replace("TOKEN=", "TOKEN=not-"))
        assert "token" in refused.value.stderr
        assert "demo" in shell(variables, "labelwatch tokens list")
        assert str(build / "report" / "report.html") in shell(variables, "labelwatch report")
        assert f'href="{endpoint}/' in (build / "report" / "report.html").read_text()
        assert end(up, signal.SIGINT, endpoint) == 0


def test_a_closed_terminal_ends_local_up_and_the_local_aws(tmp_path: Path) -> None:
    with local_up(tmp_path) as up:
        endpoint = read_until(up, "^Endpoint: ").removeprefix("Endpoint: ")
        assert end(up, signal.SIGHUP, endpoint) == 129


def test_an_environment_can_be_rebuilt_from_inside(tmp_path: Path) -> None:
    folder, requirements = tmp_path / "environment", tmp_path / "requirements.txt"
    requirements.touch()
    venv.create(folder, symlinks=True, with_pip=False)
    (folder / "old").touch()
    setup = [str(PROJECT / "scripts" / "setup"), str(folder), str(requirements)]
    environment = os.environ | {"PYTHON": str(folder / "bin" / "python")}
    subprocess.run(setup, cwd=PROJECT, env=environment, check=True, capture_output=True, timeout=MAX_SECONDS)
    assert (folder / "bin" / "pip").exists()
    assert not (folder / "old").exists()
