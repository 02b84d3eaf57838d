"""The commands as a person at a terminal meets them."""

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


def test_the_demo_accounts_for_every_image_and_leaves_mails_and_a_picture() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "34 of 34 images that were uploaded are accounted for." in done.stdout
    assert re.search(r"field 1/notes\.jpg +│ InvalidImageFormatException", done.stdout)
    assert re.search(r"1 +│ no label +│ 0 +│ field 1/television\.png", done.stdout)
    (report,) = map(Path, re.findall(r"Open, in any browser: (\S+)", done.stdout))
    assert "<h1>Labelwatch report: stack labelwatch (demo)</h1>" in report.read_text()
    with Image.open(report.with_name("labels.png")) as picture:
        assert picture.format == "PNG"
    files = list(report.parent.glob("alerts/*.eml"))
    rows = [file.read_text() for file in report.parent.glob("predictions/dt=*/*.json")]
    presigned = [one for one in rows if re.search(r'"image": ?"uploads/demo/[0-9-]{10}/[a-z2-7]{16}-', one)]
    assert (len(rows), len(presigned)) == (33, 16)
    assert f"33 predictions, {counted(len(files), 'alert')}, 1 dead letter." in done.stdout
    mails = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
    assert mails
    assert all(mail["Subject"].startswith("Labelwatch: ") for mail in mails)


@pytest.mark.skipif(not LEAVES.is_dir(), reason="the real leaf photos are not beside the project")
def test_the_demo_takes_a_folder_of_one_s_own_images() -> None:
    done = run("demo", "--images", str(LEAVES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "26 of 26 images that were uploaded are accounted for." in done.stdout
    assert "the leaves are drawn" not in done.stdout


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = run("demo", "--images", str(tmp_path / "none"))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "none is not a folder" in done.stderr


@pytest.mark.parametrize("arguments", [("demo", "--images", "/proc/1/mem"), ("package", "--build", "/proc/none")])
def test_what_the_machine_refuses_is_one_sentence(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("labelwatch: ")


def test_labels_that_look_like_markup_or_formulas_are_shown_as_they_are(tmp_path: Path) -> None:
    for label, colour in (("[bold]a$^$", 40), (":smile:b$\\q$", 200)):
        (tmp_path / label).mkdir()
        for number in range(8):
            noise = Image.effect_noise((96, 96), 40 + number)
            noise.point(lambda value, base=colour: value // 5 + base).convert("RGB").save(
                tmp_path / label / f"{number}.png"
            )
    done = run("demo", "--images", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "│ [bold]a$^$ │" in done.stdout.replace("  ", "")
    assert ":smile:b$" in done.stdout


def test_the_demo_does_not_depend_on_the_user_s_own_set_up() -> None:
    done = run("demo", AWS_PROFILE="nobody", HTTP_PROXY="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr


def test_a_mistake_leaves_the_last_result_where_it_is(tmp_path: Path) -> None:
    kept = PROJECT / "build" / "demo" / "kept"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("of the last run")
    for folder in (tmp_path / "misspelt", kept.parent):
        assert run("demo", "--images", str(folder)).returncode == 1
    assert kept.read_text() == "of the last run"
    kept.unlink()


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version").stdout)


def test_an_image_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(5):
            (tmp_path / label / f"{number}.jpg").write_bytes(b"no image")
    done = run("demo", "--images", str(tmp_path))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert re.search(r"labelwatch: .*\.jpg cannot be read as an image", done.stderr)


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = run("local", "up", "--port", str(port))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert f"port {port} is taken" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("demo",),
        ("package",),
        ("local",),
        ("local", "up"),
        ("local", "evaluate"),
        ("tokens",),
        ("tokens", "create"),
        ("tokens", "list"),
        ("tokens", "revoke"),
        ("dead-letters",),
        ("dead-letters", "redrive"),
    ],
)
def test_help_teaches(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5


def test_the_stand_in_is_judged_in_figures(tmp_path: Path) -> None:
    for label, colour in (("dark", 10), ("bright", 200)):
        (tmp_path / label).mkdir()
        for number in range(6):
            Image.effect_noise((96, 96), 20 + number).point(lambda v, c=colour: v // 5 + c).convert("RGB").save(
                tmp_path / label / f"{number}.png"
            )
    done = run("local", "evaluate", str(tmp_path), "--splits", "2", "--each", "3")
    assert done.returncode == 0, done.stderr
    assert re.search(r"Right on \d+\.\d% of 6 images after training on 6 \(mean of 2 random splits", done.stdout)


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
    seen = []
    for line in process.stdout:
        seen.append(line)
        if re.search(pattern, line):
            return line.strip()
    raise AssertionError(f"{pattern} was not printed, but this:\n{''.join(seen)}")


def as_printed(line: str) -> None:
    subprocess.run(line, shell=True, check=True, capture_output=True, text=True, timeout=MAX_SECONDS)  # noqa: S602


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 0), (signal.SIGHUP, 129)])
def test_up_prints_lines_that_upload_follows_the_images_and_stops_all_when_it_ends(
    up: subprocess.Popen[str], ending: signal.Signals, code: int
) -> None:
    endpoint = read_until(up, "^Endpoint: ").removeprefix("Endpoint: ")
    line = read_until(up, "s3 cp")
    api_and_token = read_until(up, "^API=")
    line_with_ticket = f"{api_and_token}\n{read_until(up, '/uploads')}"
    tokens, report = read_until(up, "tokens list$"), read_until(up, " report$")
    variables = read_until(up, "^export ")
    as_printed(f"{variables}\nlabelwatch model status | grep RUNNING")
    # Whoever follows must not stumble over what is no row.
    no_row = f"s3://{OUTPUT_BUCKET}/predictions/dt=2026-11-22/x.json"
    as_printed(f"{variables}\necho 1 | aws s3 cp - {no_row}")
    as_printed(line)
    assert read_until(up, r"field 1/.*\.jpg: [\w-]+ \d")
    as_printed(f"{variables}\nlabelwatch backfill 's3://{INPUT_BUCKET}/field 1/' --force --yes")
    assert read_until(up, r"field 1/.*\.jpg: [\w-]+ \d")
    as_printed(f"{variables}\naws s3 rm {no_row}")
    as_printed(line_with_ticket)
    assert read_until(up, r"uploads/demo/.*\.jpg: [\w-]+ \d")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        as_printed(line_with_ticket.replace("TOKEN=", "TOKEN=not-"))
    assert refused.value.stderr.startswith("The token is wrong or was revoked.")
    as_printed(tokens)
    as_printed(report)
    up.send_signal(ending)
    assert up.wait(MAX_SECONDS) == code
    port = int(endpoint.rpartition(":")[2])
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))


def test_an_environment_can_be_made_anew_by_whoever_works_in_it(tmp_path: Path) -> None:
    folder, nothing = tmp_path / "environment", tmp_path / "requirements.txt"
    nothing.touch()
    setup = [str(PROJECT / "scripts" / "setup"), str(folder), str(nothing)]
    for python in (sys.executable, str(folder / "bin" / "python")):
        environment = os.environ | {"PYTHON": python}
        subprocess.run(setup, cwd=PROJECT, env=environment, check=True, capture_output=True, timeout=MAX_SECONDS)
    assert (folder / "bin" / "python").exists()


def test_a_python_that_is_not_there_is_one_sentence() -> None:
    find = str(PROJECT / "scripts" / "find-python")
    done = subprocess.run(
        ["/bin/sh", find], env={"PYTHON": "/nowhere/python3"}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("PYTHON is set to '/nowhere/python3', which is no working Python 3.12, 3.13 or 3.14")
