"""The arrows: which layer may import which. One table holds app.py, chalicelib, labelwatch, bench, checks and tests."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LIBRARY = ("chalicelib",)
CAPABILITIES = (
    "analytics", "audit", "backfill", "dead_letters", "deploy", "doctor", "forget", "links", "model", "quicksight",
    "report", "subscriptions", "uploads", "verify",
)  # fmt: skip
# A layer may import itself and the layers named here. Where several names fit a module, the longest counts.
ARROWS = {
    "app": ("chalicelib.rest", "chalicelib.settings", "chalicelib.wiring"),
    "chalicelib": (),
    "chalicelib.domain": (),
    "chalicelib.telemetry": (),
    "chalicelib.settings": ("chalicelib.domain",),
    "chalicelib.rest": ("chalicelib.domain",),
    "chalicelib.queues": ("chalicelib.domain", "chalicelib.telemetry"),
    "chalicelib.steps": ("chalicelib.domain", "chalicelib.queues", "chalicelib.telemetry"),
    "chalicelib.adapters": ("chalicelib.domain",),
    "chalicelib.wiring": (
        "chalicelib.adapters", "chalicelib.domain", "chalicelib.queues", "chalicelib.rest", "chalicelib.settings",
        "chalicelib.steps", "chalicelib.telemetry",
    ),
    "labelwatch": LIBRARY,
    "labelwatch.shared": LIBRARY,
    # Another capability only by its face, which is its __init__.py.
    "labelwatch.analytics": ("labelwatch.shared", *LIBRARY),
    "labelwatch.audit": ("labelwatch.shared", "labelwatch.dead_letters", *LIBRARY),
    "labelwatch.backfill": ("labelwatch.shared", *LIBRARY),
    "labelwatch.dead_letters": ("labelwatch.shared", *LIBRARY),
    "labelwatch.deploy": ("labelwatch.shared", *LIBRARY),
    "labelwatch.doctor": (
        "labelwatch.shared", "labelwatch.analytics", "labelwatch.deploy", "labelwatch.subscriptions", *LIBRARY,
    ),
    "labelwatch.forget": ("labelwatch.shared", "labelwatch.dead_letters", *LIBRARY),
    "labelwatch.links": ("labelwatch.shared", *LIBRARY),
    "labelwatch.model": ("labelwatch.shared", *LIBRARY),
    "labelwatch.quicksight": ("labelwatch.shared", "labelwatch.analytics", *LIBRARY),
    "labelwatch.report": ("labelwatch.shared", "labelwatch.analytics", *LIBRARY),
    "labelwatch.subscriptions": ("labelwatch.shared", *LIBRARY),
    "labelwatch.uploads": ("labelwatch.shared", *LIBRARY),
    "labelwatch.verify": (
        "labelwatch.shared", "labelwatch.dead_letters", "labelwatch.subscriptions", "labelwatch.uploads", *LIBRARY,
    ),
    "labelwatch.local": (
        "labelwatch.shared", "labelwatch.analytics", "labelwatch.deploy", "labelwatch.report", "labelwatch.uploads",
        *LIBRARY,
    ),
    "labelwatch.commands": (
        "labelwatch.shared", "labelwatch.local", *(f"labelwatch.{name}" for name in CAPABILITIES), *LIBRARY,
    ),
    "labelwatch.__main__": ("labelwatch.commands", "labelwatch.shared", *LIBRARY),
    "athena": ("labelwatch.__main__",),
    "checks": ("labelwatch", *LIBRARY),
    "tests.support": ("app", "labelwatch", *LIBRARY),
    "bench": ("tests.support", "labelwatch", *LIBRARY),
    "tests": ("app", "athena", "bench", "checks", "labelwatch", *LIBRARY),
}  # fmt: skip


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


FILES = {
    module_of(file): file
    for folder in ("app.py", "athena", "bench", "chalicelib", "checks", "labelwatch", "tests")
    for file in ([PROJECT / folder] if folder.endswith(".py") else sorted((PROJECT / folder).rglob("*.py")))
}
PACKAGES = {module for module, file in FILES.items() if file.stem == "__init__"}


@cache
def exported(module: str) -> set[str]:
    """The names in a module's `__all__`: a face may export a function that has the name of its module."""
    for node in ast.parse(FILES[module].read_text()).body if module in FILES else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def imports(file: Path) -> Iterator[str]:
    """The modules of this project that a file imports.

    `from a import b` is `a.b` where that is a module that the face of `a` does not export, else `a`.
    """
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            face = exported(node.module) if module_of(file) != node.module else set()
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in FILES and alias.name not in face else node.module


def layer_of(module: str) -> str:
    """The longest name in the table that the module lies in."""
    return max((layer for layer in ARROWS if lies_in(module, layer)), key=len)


def lies_in(module: str, layer: str) -> bool:
    return module == layer or module.startswith(f"{layer}.")


def capability_of(module: str) -> str | None:
    """The package of labelwatch whose inside the module is; None for its face, and for what is no capability."""
    names = module.split(".")
    return names[1] if len(names) > 2 and names[0] == "labelwatch" and names[1] in CAPABILITIES else None


def parameters(files: dict[str, Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("module", [module for module in files if imports_of(module)])


def imports_of(module: str) -> set[str]:
    """What a module imports of this project."""
    return {name for name in imports(FILES[module]) if name in FILES}


@parameters(FILES)
def test_a_module_imports_only_the_layers_that_its_own_may_import(module: str) -> None:
    layer = layer_of(module)
    allowed = (layer, *ARROWS[layer])
    # The library's own top level has its version and nothing else.
    known = imports_of(module) - {"chalicelib"}
    assert not {name for name in known if not any(lies_in(name, other) for other in allowed)}


@parameters({module: file for module, file in FILES.items() if lies_in(module, "labelwatch")})
def test_no_package_of_the_command_imports_the_inside_of_a_capability(module: str) -> None:
    inside = {name for name in imports_of(module) if capability_of(name)}
    if not lies_in(module, "labelwatch.commands"):
        assert not {name for name in inside if capability_of(name) != capability_of(f"{module}.x")}


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter({module: imports_of(module) - {module} for module in FILES}).prepare()


def test_adapters_import_no_other_adapter_but_what_turns_errors_into_faults() -> None:
    adapters = {module for module in FILES if lies_in(module, "chalicelib.adapters") and module not in PACKAGES}
    faults = {"chalicelib.adapters.faults"}
    assert not {module: known for module in adapters if (known := imports_of(module) & (adapters - {module} - faults))}


def test_steps_do_not_import_each_other() -> None:
    steps = {module for module in FILES if lies_in(module, "chalicelib.steps") and module not in PACKAGES}
    assert not {step: known for step in steps if (known := imports_of(step) & (steps - {step}))}


@pytest.mark.parametrize("module", ["app", *(module for module in FILES if lies_in(module, "chalicelib"))])
def test_only_adapters_and_the_wiring_import_boto3_and_only_the_settings_read_the_environment(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imports(FILES[module])}
    if not lies_in(module, "chalicelib.adapters") and module != "chalicelib.wiring":
        assert not {name for name in libraries if name in {"boto3", "botocore"} or name.startswith("mypy_boto3")}
    assert module == "chalicelib.settings" or "os" not in libraries
