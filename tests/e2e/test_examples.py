"""The examples of the docs, run unchanged: named scripts, and all blocks of commands after the line `<!-- run -->`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from labelwatch.deploy import Package
from labelwatch.local import session as local
from labelwatch.local.up import variables, write_aws_command
from labelwatch.shared.project import PROJECT
from labelwatch.uploads import tokens
from tests.support.builders import scheduled_event
from tests.support.pipeline import ColourClassifier, Pipeline, functions, picture, set_environment

NAMES = ["leaf 1.jpg", "it's.jpeg", "稲 葉.png"]
CLEANED = {"leaf-1.jpg", "it-s.jpeg", "稲-葉.png"}
# The files that a page's script would get from <input type="file">, and the call.
AROUND_JAVASCRIPT = """
%s
import { readFileSync } from "node:fs";
import { basename } from "node:path";
for (const path of process.argv.slice(2)) {
  const file = new File([readFileSync(path)], basename(path));
  console.log(path, "->", await upload(process.env.API, process.env.TOKEN, file));
}
"""


PAGES = {
    str(page.relative_to(PROJECT)): page.read_text()
    for page in sorted([PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")])
}
# The files that the commands of a page find in their folder; those in build/up are of `make up`.
FILES = {
    "README.md": b"Spray on Tuesday.",
    "leaf.jpg": picture(),
    "leaf 1.jpg": picture(),
    "build/up/alerts/001-alert.eml": b"",
    "build/up/leaves/leaf-smut/leaf-smut-0001.jpg": picture(),
    "build/up/leaves/leaf-smut/leaf-smut-0002.jpg": picture("brown-spot"),
}
# A reader takes longer than this shell: a command that comes too early, which ends with 1 or 3, is tried again.
PATIENT = """
labelwatch() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    command labelwatch "$@" && return || code=$?
    [ "$code" = 1 ] || [ "$code" = 3 ] || break
    sleep 1
  done
  return "$code"
}
"""


def example(name: str) -> str:
    text = "".join(PAGES.values())
    (code,) = re.findall(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    return str(code)


def commands(text: str) -> str:
    """The blocks of commands after `<!-- run -->`, in their order; in lists too."""
    tokens = MarkdownIt("commonmark").parse(text)
    marked = [block for mark, block in pairwise(tokens) if mark.content.strip() == "<!-- run -->"]
    assert all(block.type == "fence" for block in marked), "a mark without a block of commands"
    return "".join(block.content for block in marked)


def run_commands(pipeline: Pipeline, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Runs the marked commands as a reader of the page would: one shell, after the line that `make up` prints."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    write_aws_command(folder / "bin")
    export = variables(pipeline.session, folder / "bin")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "COLUMNS": "80",
        "LABELWATCH_BUILD": str(folder / "build"),
        "no_proxy": "127.0.0.1",
    }
    script = f"{export}\n{PATIENT}\nset -ex -o pipefail\n{commands(text)}"
    return subprocess.run(
        [str(shutil.which("bash")), "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, packaged: Package) -> Iterator[Pipeline]:
    """A local AWS of its own, as `make up` starts it: an audit would count what other tests have left behind."""
    folder = tmp_path_factory.mktemp("examples")
    labels = "bacterial-leaf-blight, leaf-smut:90"
    with local.running(folder, packaged, ColourClassifier(), labels_of_interest=labels, min_confidence=50) as session:
        pipeline = Pipeline(session)
        pipeline.wait_until_empty()  # of S3's test event: a function that is changed while it runs defers it
        set_environment(session, functions(session)["Detect"], DEFER_SECONDS="1")
        with minutes_of_a_second(session):
            yield pipeline


@contextmanager
def minutes_of_a_second(session: local.Session) -> Iterator[None]:
    """Invokes manage_model each second instead of each minute."""
    session.local_aws.disable_schedules()
    client, name = session.local_aws.client("lambda"), functions(session)["ManageModel"]
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(1):
            client.invoke(FunctionName=name, Payload=json.dumps(scheduled_event()))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.fixture
def used(stack: Pipeline) -> Pipeline:
    """With a predicted image and a dead letter, which the commands of a page find."""
    stack.dead_letters.clear()
    stack.upload("field-7/leaf.jpg")
    stack.upload("field-7/text.jpg", content=b"Spray on Tuesday.")
    stack.wait_for("field-7/leaf.jpg", "field-7/text.jpg")
    return stack


@pytest.fixture
def leaves(tmp_path: Path) -> Path:
    folder = tmp_path / "my leaves"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(picture(form="PNG" if name.endswith("png") else "JPEG"))
    (folder / "notes.txt").write_text("Spray on Tuesday.")
    return folder


def uploaded(pipeline: Pipeline, command: list[str], client: str) -> set[str]:
    """Runs the command, waits for predictions of the keys that it prints, and returns the file names in the keys."""
    token = tokens.create(pipeline.session.tokens, client)
    environment = {"PATH": os.environ["PATH"], "API": pipeline.session.api, "TOKEN": token, "no_proxy": "127.0.0.1"}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert completed.returncode == 0, completed.stderr
    keys = [line.rpartition(" -> ")[2] for line in completed.stdout.splitlines()]
    pipeline.wait_for(*keys)
    assert all(pipeline.predictions[key].labels for key in keys)
    return {key.rpartition("/")[2].partition("-")[2] for key in keys}


needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="jq, which this example needs, is not installed")


@pytest.fixture
def upload_script(tmp_path: Path) -> list[str]:
    script = tmp_path / "upload.sh"
    script.write_text(example("shell"))
    return ["sh", str(script)]


@needs_jq
def test_images_are_uploaded_from_a_shell_script(pipeline: Pipeline, leaves: Path, upload_script: list[str]) -> None:
    command = [*upload_script, *(str(leaves / name) for name in NAMES)]
    assert uploaded(pipeline, command, "shell") == CLEANED


# The real curl, which first writes down its arguments, as `ps` shows them.
WATCHED_CURL = """#!/bin/sh
printf '%s\\n' "$*" >> "{arguments}"
exec {curl} "$@"
"""
UPLOAD_OF_LOCAL_UP = [sys.executable, "-m", "labelwatch.local.curl_uploads"]


def run_upload(
    pipeline: Pipeline, command: list[str], token: str, bin_folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    path = f"{bin_folder}:{os.environ['PATH']}" if bin_folder else os.environ["PATH"]
    environment = {"PATH": path, "API": pipeline.session.api, "TOKEN": token, "no_proxy": "127.0.0.1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@needs_jq
@pytest.mark.parametrize("by_local_up", [False, True])
def test_no_argument_of_curl_has_the_token(
    pipeline: Pipeline, leaves: Path, tmp_path: Path, upload_script: list[str], *, by_local_up: bool
) -> None:
    arguments, watched = tmp_path / "arguments", tmp_path / "bin" / "curl"
    watched.parent.mkdir()
    watched.write_text(WATCHED_CURL.format(arguments=arguments, curl=shutil.which("curl")))
    watched.chmod(0o755)
    token = tokens.create(pipeline.session.tokens, f"watched-{by_local_up}".lower())
    command = UPLOAD_OF_LOCAL_UP if by_local_up else upload_script
    done = run_upload(pipeline, [*command, str(leaves / NAMES[0])], token, watched.parent)
    assert done.returncode == 0, done.stderr
    assert len(arguments.read_text().splitlines()) == 2
    assert token not in arguments.read_text()
    pipeline.wait_for(done.stdout.split()[-1])


@needs_jq
@pytest.mark.parametrize("by_local_up", [False, True])
@pytest.mark.parametrize(
    ("name", "message"),
    [("leaf 1.jpg", "WrongToken"), ("empty.jpg", "InvalidField"), ("missing.jpg", "missing.jpg")],
)
def test_a_refused_upload_fails_with_its_reason(
    pipeline: Pipeline, leaves: Path, upload_script: list[str], name: str, message: str, *, by_local_up: bool
) -> None:
    (leaves / "empty.jpg").touch()
    token = tokens.create(pipeline.session.tokens, f"refused-{name[:4]}-{by_local_up}".lower())
    wrong = f"{token[:-4]}AAAA" if message == "WrongToken" else token
    command = UPLOAD_OF_LOCAL_UP if by_local_up else upload_script
    done = run_upload(pipeline, [*command, str(leaves / name)], wrong)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert message in done.stderr


def test_images_are_uploaded_from_python(pipeline: Pipeline, leaves: Path, tmp_path: Path) -> None:
    script = tmp_path / "upload.py"
    script.write_text(example("python"))
    command = [sys.executable, str(script), *(str(leaves / name) for name in NAMES)]
    assert uploaded(pipeline, command, "python") == CLEANED


@pytest.mark.skipif(not shutil.which("node"), reason="node, which runs this example, is not installed")
def test_images_are_uploaded_from_javascript(pipeline: Pipeline, leaves: Path, tmp_path: Path) -> None:
    script = tmp_path / "upload.mjs"
    script.write_text(AROUND_JAVASCRIPT % example("javascript"))
    command = ["node", str(script), *(str(leaves / name) for name in NAMES)]
    assert uploaded(pipeline, command, "javascript") == CLEANED


@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if commands(text)])
def test_the_marked_commands_of_a_page_work(used: Pipeline, tmp_path: Path, page: str) -> None:
    done = run_commands(used, tmp_path, PAGES[page])
    assert done.returncode == 0, done.stdout + done.stderr


SAMPLE = """
Upload an image, then look at the dead letters:

<!-- run -->
```
IMAGE=field-7/sample.jpg
aws s3 cp leaf.jpg "s3://labelwatch-images/$IMAGE"
```

1. In a list, and over two lines:

   <!-- run -->
   ```sh
   test "$IMAGE" = field-7/sample.jpg
   labelwatch dead-letters list \\
     --format json
   ```

```
this block is not marked
```
"""


def test_the_marked_commands_of_a_sample_page_work(stack: Pipeline, tmp_path: Path) -> None:
    done = run_commands(stack, tmp_path, SAMPLE)
    assert done.returncode == 0, done.stderr
    assert "field-7/sample.jpg" in done.stdout
    stack.wait_for("field-7/sample.jpg")


@pytest.mark.parametrize("wrong", ["labelwatch dead-letters lists", "labelwatch audit --days today", "false | true"])
def test_a_wrong_command_fails_and_none_after_it_runs(stack: Pipeline, tmp_path: Path, wrong: str) -> None:
    done = run_commands(stack, tmp_path, f"<!-- run -->\n```\n{wrong}\ntouch after\n```\n")
    assert done.returncode != 0
    assert not (tmp_path / "after").exists()


def test_a_mark_without_a_block_is_refused() -> None:
    with pytest.raises(AssertionError, match="without a block"):
        commands("<!-- run -->\n\nlabelwatch audit\n")
