"""What a user is told in one sentence instead of a traceback."""


class UserError(Exception):
    """Raised when the user can mend it; the message says what is wrong and what to do next."""

    exit_code = 1


class CtrlCError(UserError):
    """Raised where Ctrl-C ended what can be gone on with; the message says how."""

    exit_code = 130  # as every shell has it for Ctrl-C
