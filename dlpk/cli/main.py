"""The command `dlpk`."""

from __future__ import annotations

import argparse
import difflib
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from schemas.errors import DlpkError

from ..harness.signals import Terminated, termination_raises
from .calibrate import add_calibrate
from .classify import add_classify, add_replay, add_test
from .validate import add_validate

# Heavy imports (torch, gdal) wait until a command needs them: help and validation are instant.
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_TERMINATED = 0, 1, 2, 130, 143
UNKNOWN = "unknown"


class Parser(argparse.ArgumentParser):
    """A parser that suggests what may have been meant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        message = " ".join(message.split())
        known = [option for action in self._actions for option in action.option_strings]
        for word in message.split() if message.startswith(UNKNOWN) else ():
            near = difflib.get_close_matches(word.split("=")[0], known, n=1)
            if word.startswith("--") and near:
                message += f" (did you mean {near[0]}?)"
                break
        wrong = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if wrong:
            choices = [choice.strip(" '") for choice in wrong[2].split(",")]
            near = difflib.get_close_matches(wrong[1], choices, n=1)
            message += f" (did you mean {near[0]}?)" if near else ""
        self.exit(EXIT_USAGE, f"dlpk: error: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Of the command line by default.

    Returns
    -------
    int
        0 done; 1 it failed, or validation found errors; 2 wrong usage; 3 a package under test
        does not run; 130 interrupted; 143 terminated.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may know less than Unicode
            stream.reconfigure(errors="backslashreplace")
    options = parse(list(sys.argv[1:] if arguments is None else arguments))
    try:
        with termination_raises(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = int(options.run(options))
            sys.stdout.flush()
            return code
    except DlpkError as error:
        return _failed(str(error))
    except MemoryError as error:
        return _failed(f"there is not enough memory: {error}")
    except Terminated:
        return _failed(f"the command was told to end; {_left(options)}", EXIT_TERMINATED)
    except KeyboardInterrupt:
        return _failed(f"interrupted; {_left(options)}", EXIT_INTERRUPTED)
    except BrokenPipeError:  # `dlpk inspect … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        return _failed(f"the system refuses: {error}")


def _left(options: argparse.Namespace) -> str:
    if getattr(options, "resume", False):
        return "finished blocks are kept: the same command goes on from there"
    return "what was unfinished is removed"


def _failed(message: str, code: int = EXIT_FAILED) -> int:
    print(f"dlpk: error: {message}", file=sys.stderr)
    return code


def _show_warning(message: Any, *rest: Any, **more: Any) -> None:
    print(f"dlpk: warning: {message}", file=sys.stderr)


def parse(words: list[str]) -> argparse.Namespace:
    """Read a command line.

    Parameters
    ----------
    words : list of str

    Returns
    -------
    Namespace
        With the `words` themselves.
    """
    # West of Greenwich an extent begins with a minus, which would look like an option.
    for index in range(len(words) - 1, 0, -1):
        option = words[index - 1]
        if option in ("--extent", "--like") and re.match(r"-[\d.]", words[index]):
            words[index - 1 : index + 1] = [f"{option}={words[index]}"]
    options, rest = parser().parse_known_args(words)
    # Options may stand between the paths, which argparse does not see.
    if hasattr(options, "paths") and not any(word.startswith("-") for word in rest):
        options.paths += rest
    elif rest:
        options.parser.error(f"{UNKNOWN}: {' '.join(rest)}")
    options.words = words
    return options


def parser() -> Parser:
    """Make the parser of the whole command."""
    top = Parser(
        prog="dlpk",
        description="Build, check and run ArcGIS deep learning packages, without ArcGIS.",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    _add_build(commands)
    add_validate(commands)
    _add_inspect(commands)
    add_classify(commands)
    add_replay(commands)
    add_calibrate(commands)
    add_test(commands)
    return top


def _add_build(commands: Any) -> None:
    build = commands.add_parser(
        "build",
        help="make a package from weights",
        description="Make a .dlpk around CLIPSeg, for Classify Pixels Using Deep Learning.",
    )
    build.set_defaults(run=_build, parser=build)
    build.add_argument("out", metavar="OUT.dlpk", help="file to write")
    build.add_argument(
        "--weights",
        metavar="SOURCE",
        default="CIDAS/clipseg-rd64-refined",
        help="hub id (default %(default)s, pinned), a folder in the hub's layout, the authors' "
        "decoder .pth (with --clip), or 'mini', a miniature for demonstration",
    )
    build.add_argument("--clip", metavar="FOLDER", help="CLIP ViT-B/16, for the authors' decoder")
    build.add_argument("--revision", help="revision of the hub id, instead of the pinned one")
    build.add_argument("--name", help="name of the package (default: that of the file)")
    build.add_argument("--description", help="a sentence for people")
    build.add_argument(
        "--precision",
        choices=("fp16", "fp32"),
        default="fp16",
        help="how weights are stored (default %(default)s)",
    )
    build.add_argument("--threshold", type=float, help="default threshold, 0 to 1")
    build.add_argument("--prompt", help="default prompts, separated by commas")
    build.add_argument(
        "--freeze-prompts",
        metavar="PROMPTS",
        help="embed these prompts now and leave the text tower out",
    )
    build.add_argument(
        "--prompt-embeddings", metavar="FILE", help="embeddings made elsewhere (safetensors)"
    )
    build.add_argument("--names", metavar="FILE", help="their names (JSON list, or one per line)")
    build.add_argument(
        "--embeddings-tensor", metavar="NAME", help="which tensor of the file (default: first fit)"
    )


def _add_inspect(commands: Any) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="show what is in a package",
        description="Describe a package. Runs none of its code.",
    )
    inspect.set_defaults(run=_inspect, parser=inspect)
    inspect.add_argument("package", metavar="PACKAGE")
    inspect.add_argument("--json", action="store_true", help="print the description as JSON")


def _build(options: argparse.Namespace) -> int:
    from builder import build

    built = build(
        options.out,
        weights=options.weights,
        clip=options.clip,
        revision=options.revision,
        name=options.name,
        description=options.description,
        precision=options.precision,
        threshold=options.threshold,
        prompt=options.prompt,
        freeze_prompts=options.freeze_prompts,
        prompt_embeddings=options.prompt_embeddings,
        names=options.names,
        embeddings_tensor=options.embeddings_tensor,
    )
    for note in built.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{built.path}: {built.size / 1e6:,.1f} MB, SHA-256 {built.sha256}")
    return EXIT_OK


def _inspect(options: argparse.Namespace) -> int:
    from ..package.inspect import as_text, inspect

    description = inspect(options.package)
    print(json.dumps(description, indent=2) if options.json else as_text(description))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
