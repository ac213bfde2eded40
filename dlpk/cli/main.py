"""The command `dlpk`."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from schemas.errors import DlpkError
from schemas.findings import printable

from ..installation import missing_part
from .exit_codes import Exit
from .signals import Terminated, termination_raises

# Each is a function of that name in a module of that name in `commands`, which imports GDAL, torch
# and numpy only once it runs: help and validation are instant.
COMMANDS = (
    "build",
    "calibrate",
    "classify",
    "detect",
    "evaluate",
    "finetune",
    "inspect",
    "new",
    "pack",
    "polygonize",
    "replay",
    "serve",
    "test",
    "validate",
)


@click.group(no_args_is_help=False)
@click.version_option(package_name="dlpk", message="dlpk %(version)s")
def dlpk() -> None:
    """Build, check and run ArcGIS deep learning packages, without ArcGIS."""


for name in COMMANDS:
    dlpk.add_command(getattr(import_module(f".commands.{name}", __package__), name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line by default.

    Returns
    -------
    int
        See `dlpk.cli.exit_codes.Exit`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may know less than Unicode
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with termination_raises(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            # Not dlpk.main(), which turns an interrupt into something else.
            with dlpk.make_context("dlpk", list(words), obj=words) as context:
                code = int(dlpk.invoke(context) or 0)
            sys.stdout.flush()
            return code
    except click.exceptions.Exit as ended:  # after --help
        return ended.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "dlpk"
        message = " ".join(error.format_message().split())
        return _failed(f"{message.rstrip('.')}. See {path} --help", Exit.USAGE)
    except DlpkError as error:
        return _failed(str(error))
    except ImportError as error:
        part = missing_part(error)
        if part is None:
            raise
        return _failed(f"{words[0]} needs {part}")
    except MemoryError as error:
        return _failed(f"there is not enough memory: {error}")
    except Terminated:
        return _failed(f"the command was told to end; {_left(words)}", Exit.TERMINATED)
    except KeyboardInterrupt:
        return _failed(f"interrupted; {_left(words)}", Exit.INTERRUPTED)
    except BrokenPipeError:  # `dlpk inspect … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except OSError as error:
        return _failed(f"the system refuses: {error}")


def _left(words: Sequence[str]) -> str:
    if words[:1] == ["finetune"]:
        return "the same command goes on from there"
    if {"--resume", "--resume-unchecked"} & set(words):
        return "finished blocks are kept: the same command goes on from there"
    return "what was unfinished is removed"


def _failed(message: str, code: int = Exit.FAILED) -> int:
    # Names and texts of a package under test are quoted in errors: no terminal shall obey them.
    lines = "\n".join(printable(line) for line in message.split("\n"))
    print(f"dlpk: error: {lines}", file=sys.stderr)
    return code


def _show_warning(message: Any, *rest: Any, **more: Any) -> None:
    print(f"dlpk: warning: {printable(str(message))}", file=sys.stderr)
