"""Runs over all of a raster, one at a time, in processes of their own."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DlpkError
from .worker import BusyError

# Finished runs whose files are kept.
MOST_RUNS = 8
MOST_ERROR = 2000
RESULT, PICTURE = "classes.tif", "classes.png"


class UnknownRunError(DlpkError):
    """There is no such run or file."""


class Run:
    """One run; its files lie in `folder`."""

    def __init__(self, folder: Path, task: Mapping[str, Any]) -> None:
        self.folder = folder
        self.state = "running"  # done, failed or stopped
        self.done, self.total = 0, 0
        self.error = ""
        with (folder / "messages.txt").open("wb") as messages:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dlpk.studio.run_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                encoding="utf-8",
            )
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            json.dump(task, stdin)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                told = json.loads(line)
                self.done = told.get("done", self.done)
                self.total = told.get("total", self.total)
                self.error = told.get("error", self.error)
        code = self._process.wait()
        if self.state == "stopped":
            return
        if code and not self.error:
            messages = (self.folder / "messages.txt").read_text("utf-8", "replace")
            self.error = f"the run ended unexpectedly: {messages[-MOST_ERROR:].strip()}"
        self.state = "failed" if code else "done"

    def stop(self) -> None:
        """End it, if it goes on."""
        if self._process.poll() is None:
            self.state = "stopped"
            self._process.terminate()
        self._thread.join()

    def to_json(self) -> dict[str, Any]:
        """For the page."""
        files = [RESULT, PICTURE] if self.state == "done" else []
        return {
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "error": self.error,
            "files": [name for name in files if (self.folder / name).is_file()],
        }


class Runs:
    """All runs of a server.

    Parameters
    ----------
    folder : Path
        Where results are kept as long as the server runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, Run] = OrderedDict()

    def start(
        self,
        package: Mapping[str, Any],
        raster: str,
        arguments: Mapping[str, str],
        like: Sequence[str],
    ) -> str:
        """Begin a run.

        Parameters
        ----------
        package : mapping
            ``package`` (what it is opened by), its ``sha256``, and the ``device``.
        arguments, like
            As `dlpk.classification.model.Model.classify` takes them.

        Returns
        -------
        str
            Its name.

        Raises
        ------
        BusyError
            Another one goes on.
        """
        with self._lock:
            if any(run.state == "running" for run in self._runs.values()):
                raise BusyError("a run goes on: wait for its end, or stop it")
            name = secrets.token_hex(8)
            folder = self._folder / name
            folder.mkdir()
            options = {
                "out": str(folder / RESULT),
                "png": str(folder / PICTURE),
                "arguments": dict(arguments),
                "like": list(like),
            }
            self._runs[name] = Run(folder, {**package, "raster": raster, "options": options})
            while len(self._runs) > MOST_RUNS:
                shutil.rmtree(self._runs.popitem(last=False)[1].folder, ignore_errors=True)
            return name

    def get(self, name: str) -> Run:
        """A run by its name.

        Raises
        ------
        UnknownRunError
            There is none.
        """
        with self._lock:
            if name not in self._runs:
                raise UnknownRunError("there is no such run, or its files are gone by now")
            return self._runs[name]

    def file(self, name: str, file: str) -> Path:
        """A file of a finished run.

        Raises
        ------
        UnknownRunError
            There is none.
        """
        run = self.get(name)
        if file not in run.to_json()["files"]:
            raise UnknownRunError(f"the run has no file {file!r}")
        return run.folder / file

    def close(self) -> None:
        """Stop what goes on."""
        with self._lock:
            for run in self._runs.values():
                run.stop()
