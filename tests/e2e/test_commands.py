"""The commands in a terminal."""

import email
import email.policy
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from labelwatch.shared.project import PROJECT
from labelwatch.shared.text import counted

LABELWATCH = str(Path(sys.executable).with_name("labelwatch"))
LEAVES = Path(__file__).parents[3] / "shared" / "leaves"
MAX_SECONDS = 120


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LABELWATCH, *arguments],
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
        env=os.environ | {"COLUMNS": "160"} | environment,
    )


class Demo(NamedTuple):
    """The output and the files of a run of the demo, read at once: the next run empties the folder."""

    output: str
    report: str
    chart_format: str | None
    rows: list[str]
    subjects: list[str]


@pytest.fixture(scope="module")
def demo() -> Demo:
    completed = run("demo")
    assert completed.returncode == 0, completed.stdout + completed.stderr
    (report,) = map(Path, re.findall(r"Open, in any browser: (\S+)", completed.stdout))
    with Image.open(report.with_name("labels.png")) as chart:
        chart_format = chart.format
    mails = [
        email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        for file in report.parent.glob("alerts/*.eml")
    ]
    return Demo(
        completed.stdout,
        report.read_text(),
        chart_format,
        [file.read_text() for file in report.parent.glob("predictions/dt=*/*.json")],
        [mail["Subject"] for mail in mails],
    )


def test_the_demo_accounts_for_every_image(demo: Demo) -> None:
    assert "34 of 34 images that were uploaded are accounted for." in demo.output
    assert f"33 predictions, {counted(len(demo.subjects), 'alert')}, 1 dead letter." in demo.output
    assert re.search(r"field 1/notes\.jpg +│ InvalidImageFormatException", demo.output)
    assert re.search(r"1 +│ no label +│ 0 +│ field 1/television\.png", demo.output)


def test_the_demo_leaves_a_report_and_a_chart(demo: Demo) -> None:
    assert "<h1>Labelwatch report: stack labelwatch (demo)</h1>" in demo.report
    assert demo.chart_format == "PNG"


def test_the_demo_leaves_the_rows_and_the_alerts(demo: Demo) -> None:
    presigned = [row for row in demo.rows if re.search(r'"image": ?"uploads/demo/[0-9-]{10}/[a-z2-7]{16}-', row)]
    assert (len(demo.rows), len(presigned)) == (33, 16)
    assert demo.subjects
    assert all(subject.startswith("Labelwatch: ") for subject in demo.subjects)


@pytest.mark.skipif(not LEAVES.is_dir(), reason="the real leaf photos are not beside the project")
def test_the_demo_accepts_a_folder_of_images() -> None:
    completed = run("demo", "--images", str(LEAVES))
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "26 of 26 images that were uploaded are accounted for." in completed.stdout
    assert "the leaves are drawn" not in completed.stdout


def test_a_missing_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    completed = run("demo", "--images", str(tmp_path / "none"))
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1)
    assert "none is not a folder" in completed.stderr


@pytest.mark.parametrize("arguments", [("demo", "--images", "/proc/1/mem"), ("package", "--build", "/proc/none")])
def test_an_error_of_the_operating_system_is_reported_in_one_line(arguments: tuple[str, ...]) -> None:
    completed = run(*arguments)
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1)
    assert completed.stderr.startswith("labelwatch: ")


def test_labels_with_markup_or_formulas_are_shown_unchanged(tmp_path: Path) -> None:
    for label, colour in (("[bold]a$^$", 40), (":smile:b$\\q$", 200)):
        (tmp_path / label).mkdir()
        for number in range(8):
            noise = Image.effect_noise((96, 96), 40 + number)
            noise.point(lambda value, base=colour: value // 5 + base).convert("RGB").save(
                tmp_path / label / f"{number}.png"
            )
    completed = run("demo", "--images", str(tmp_path))
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "│ [bold]a$^$ │" in completed.stdout.replace("  ", "")
    assert ":smile:b$" in completed.stdout


def test_the_demo_does_not_depend_on_the_user_s_configuration() -> None:
    completed = run("demo", AWS_PROFILE="nobody", HTTP_PROXY="http://127.0.0.1:9")
    assert completed.returncode == 0, completed.stderr


def test_a_wrong_folder_keeps_the_last_result(tmp_path: Path) -> None:
    kept = PROJECT / "build" / "demo" / "kept"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("of the last run")
    for folder in (tmp_path / "misspelt", kept.parent):
        assert run("demo", "--images", str(folder)).returncode == 1
    assert kept.read_text() == "of the last run"
    kept.unlink()


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version").stdout)


def test_an_unreadable_image_is_reported_in_one_line(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(5):
            (tmp_path / label / f"{number}.jpg").write_bytes(b"no image")
    completed = run("demo", "--images", str(tmp_path))
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1)
    assert re.search(r"labelwatch: .*\.jpg cannot be read as an image", completed.stderr)


def test_a_port_in_use_is_reported_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        completed = run("local", "up", "--port", str(port))
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1)
    assert f"port {port} is taken" in completed.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("demo",),
        ("package",),
        ("local",),
        ("local", "up"),
        ("tokens",),
        ("tokens", "create"),
        ("tokens", "list"),
        ("tokens", "revoke"),
        ("dead-letters",),
        ("dead-letters", "redrive"),
    ],
)
def test_every_command_has_help(arguments: tuple[str, ...]) -> None:
    completed = run(*arguments, "--help")
    assert completed.returncode == 0
    assert len(completed.stdout.splitlines()) > 5


@pytest.fixture
def up() -> Iterator[subprocess.Popen[str]]:
    """`labelwatch local up` as a process that a test reads from."""
    process = subprocess.Popen(
        [LABELWATCH, "local", "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "300", "PYTHONUNBUFFERED": "1"},
    )
    watchdog = threading.Timer(MAX_SECONDS, process.kill)
    watchdog.start()
    yield process
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


def run_in_shell(line: str) -> None:
    subprocess.run(line, shell=True, check=True, capture_output=True, text=True, timeout=MAX_SECONDS)  # noqa: S602


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 0), (signal.SIGHUP, 129)])
def test_local_up_prints_working_commands_and_outcomes_and_stops_everything_at_its_end(
    up: subprocess.Popen[str], ending: signal.Signals, code: int
) -> None:
    endpoint = read_until(up, "^Endpoint: ").removeprefix("Endpoint: ")
    upload_line = read_until(up, "s3 cp")
    api_and_token = read_until(up, "^API=")
    presigned_line = f"{api_and_token}\n{read_until(up, '/uploads')}"
    tokens, report = read_until(up, "tokens list$"), read_until(up, " report$")
    variables = read_until(up, "^export ")
    run_in_shell(f"{variables}\nlabelwatch model status | grep RUNNING")
    # An object without rows must not stop the command.
    no_row = f"s3://{OUTPUT_BUCKET}/predictions/dt=2026-11-22/x.json"
    run_in_shell(f"{variables}\necho 1 | aws s3 cp - {no_row}")
    run_in_shell(upload_line)
    assert read_until(up, r"field 1/.*\.jpg: [\w-]+ \d")
    run_in_shell(f"{variables}\nlabelwatch backfill 's3://{INPUT_BUCKET}/field 1/' --force --yes")
    assert read_until(up, r"field 1/.*\.jpg: [\w-]+ \d")
    run_in_shell(f"{variables}\naws s3 rm {no_row}")
    run_in_shell(presigned_line)
    assert read_until(up, r"uploads/demo/.*\.jpg: [\w-]+ \d")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run_in_shell(presigned_line.replace("TOKEN=", "TOKEN=not-"))
    assert refused.value.stderr.startswith("The token is wrong or was revoked.")
    run_in_shell(tokens)
    run_in_shell(report)
    up.send_signal(ending)
    assert up.wait(MAX_SECONDS) == code
    port = int(endpoint.rpartition(":")[2])
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))


def test_an_environment_can_be_rebuilt_from_inside(tmp_path: Path) -> None:
    folder, requirements = tmp_path / "environment", tmp_path / "requirements.txt"
    requirements.touch()
    setup = [str(PROJECT / "scripts" / "setup"), str(folder), str(requirements)]
    for python in (sys.executable, str(folder / "bin" / "python")):
        environment = os.environ | {"PYTHON": python}
        subprocess.run(setup, cwd=PROJECT, env=environment, check=True, capture_output=True, timeout=MAX_SECONDS)
    assert (folder / "bin" / "python").exists()


def test_a_missing_python_is_reported_in_one_line() -> None:
    find = str(PROJECT / "scripts" / "find-python")
    completed = subprocess.run(
        ["/bin/sh", find], env={"PYTHON": "/nowhere/python3"}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (completed.returncode, len(completed.stderr.splitlines())) == (1, 1)
    assert completed.stderr.startswith(
        "PYTHON is set to '/nowhere/python3', which is no working Python 3.12, 3.13 or 3.14"
    )
