"""How a check ends, other than by returning what it found."""


class CheckEndedError(Exception):
    """What was found, and what to do."""

    def __init__(self, found: str, action: str = "") -> None:
        super().__init__(found)
        self.action = action


class FailedError(CheckEndedError):
    """Raised where the deployment does not work as it must."""


class WarningError(CheckEndedError):
    """Raised where something could not be verified, or works otherwise than most people expect."""
