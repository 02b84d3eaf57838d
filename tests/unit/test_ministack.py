import pytest

from labelwatch.local.ministack import check_machine
from labelwatch.shared.errors import UserError


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_a_machine_that_cannot_run_the_zip_is_refused(system: str, machine: str) -> None:
    with pytest.raises(UserError, match=f"which is for Linux on x86-64, and this is {system} on {machine}"):
        check_machine(system, machine)


def test_linux_on_x86_64_is_accepted() -> None:
    check_machine("Linux", "x86_64")
