import pytest

from labelwatch.local.ministack import check_machine
from labelwatch.shared.errors import UserError


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_a_machine_that_the_zip_cannot_run_on_is_told_so(system: str, machine: str) -> None:
    with pytest.raises(UserError, match=f"which is for Linux on x86-64, and this is {system} on {machine}"):
        check_machine(system, machine)


def test_linux_on_x86_64_will_do() -> None:
    check_machine("Linux", "x86_64")
