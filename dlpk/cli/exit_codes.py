"""What the command ends with."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `dlpk`."""

    DONE = 0
    FAILED = 1  # or validation found errors, or a test differs
    USAGE = 2
    DOES_NOT_RUN = 3  # a package under test
    INCOMPLETE = 4  # a result in which blocks are missing, or some of many scenes
    INTERRUPTED = 130
    TERMINATED = 143
