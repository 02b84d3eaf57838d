"""The templates as the checks read them: after the SAM transform, and as JSON.

This one file runs in .venv, where the transform is; the checks run in .venv-checks:
    .venv/bin/python -m checks.transform build/template.json infra/resources.yaml build/checks
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from labelwatch.deploy.packaging import load_template
from labelwatch.shared import stacks

Template = dict[str, Any]
# In place of a boto3 session, which would read the user's AWS set-up, and that may be broken: only the Region is read.
SESSION = SimpleNamespace(region_name="us-east-1")


def transform(template: Template, **parameters: str) -> Template:
    """The merged template after AWS's own SAM transform, which CloudFormation runs."""
    pointing = stacks.pointing_at(template, "bucket", "key")
    given = {"EmailNotification": "grower@example.com", "InputBucketName": "images", "OutputBucketName": "predictions"}
    defaults = {
        name: parameter["Default"] for name, parameter in template["Parameters"].items() if "Default" in parameter
    }
    result: Template = Translator({}, Parser(), boto_session=SESSION).translate(pointing, defaults | given | parameters)
    return result


def main(merged: str, resources: str, folder: str) -> None:
    """Writes both templates into the folder, as template.json and resources.json."""
    into = Path(folder)
    into.mkdir(parents=True, exist_ok=True)
    (into / "template.json").write_text(json.dumps(transform(json.loads(Path(merged).read_text()))))
    (into / "resources.json").write_text(json.dumps(load_template(Path(resources))))


if __name__ == "__main__":
    main(*sys.argv[1:])
