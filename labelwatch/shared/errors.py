"""Errors that end a command with one line instead of a traceback."""

# What the exit code of a command means.
EXIT_CODES = {
    0: "Success.",
    1: "Error. The last line on standard error says what failed. `labelwatch audit`: images or alerts are missing. "
    "`labelwatch doctor` and `verify`: a check failed.",
    2: "Wrong usage: an unknown command or option, a missing argument, or a value of the wrong type.",
    3: "`labelwatch audit` only: no image is missing yet, but messages are in progress. Run the command again.",
    129: "Stopped because the terminal was closed (SIGHUP).",
    130: "Stopped with Ctrl-C (SIGINT).",
    143: "Stopped by SIGTERM.",
}


class UserError(Exception):
    """Raised for what the user can correct: the message says what failed, why, and what to do next."""

    exit_code = 1


class CtrlCError(UserError):
    """Raised when Ctrl-C stops work that can be continued; the message says how."""

    exit_code = 130  # as every shell has it for Ctrl-C
