"""Weights from the hub: its cache, its pinned revisions, and downloads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from builder.clipseg.hub import PINNED_REVISIONS
from builder.clipseg.sources import DEFAULT_SOURCE
from tests.support import source_folders
from tests.support.source_folders import state

ROOT = Path(__file__).parents[2]
pristine = source_folders.pristine


# The hub: huggingface_hub reads its settings when it is imported, so each case has its own process

OPEN = """
import sys, json
from contextlib import ExitStack
from builder.errors import SourceError
from builder.clipseg.sources import open_source
with ExitStack() as stack:
    try:
        weights = open_source(sys.argv[1], stack, revision=sys.argv[2] or None)
    except SourceError as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({
            "kind": weights.kind, "revision": weights.revision, "files": sorted(weights.files),
            "count": len(list(weights.tensors.keys())), "folder": str(weights.folder),
        }))
"""


def from_hub(
    cache: Path, repository: str, revision: str = "", **environment: str
) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", OPEN, repository, revision],
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
            "HF_HUB_CACHE": str(cache),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def fill_cache(
    cache: Path, folder: Path, repository: str, commit: str, refs: tuple[str, ...] = ()
) -> Path:
    """Lay a folder out as the hub's client does: blobs, snapshots of links, refs."""
    home = cache / f"models--{repository.replace('/', '--')}"
    snapshot = home / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (home / "blobs").mkdir(exist_ok=True)
    (home / "refs").mkdir(exist_ok=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        blob = home / "blobs" / f"{commit[:8]}{number:032d}"
        shutil.copy(path, blob)
        (snapshot / path.name).symlink_to(f"../../blobs/{blob.name}")
    for ref in refs:
        (home / "refs" / ref).write_text(commit)
    return snapshot


def test_pinned_revisions_are_whole_commits() -> None:
    assert all(len(commit) == 40 and int(commit, 16) for commit in PINNED_REVISIONS.values())
    # Those after the correction of mean and std, by their published abbreviations.
    assert PINNED_REVISIONS["CIDAS/clipseg-rd64-refined"].startswith("583b388")
    assert PINNED_REVISIONS["CIDAS/clipseg-rd16"].startswith("d8e4d60")
    assert DEFAULT_SOURCE in PINNED_REVISIONS


def test_hub_cache_at_the_pinned_revision(pristine: Path, tmp_path: Path) -> None:
    commit = PINNED_REVISIONS[DEFAULT_SOURCE]
    other = "0" * 40
    fill_cache(tmp_path, pristine, DEFAULT_SOURCE, other, ("main",))
    fill_cache(tmp_path, pristine, DEFAULT_SOURCE, commit)
    expected = {"kind": "hub", "revision": commit}
    for revision in ("", commit):
        found = from_hub(tmp_path, DEFAULT_SOURCE, revision)
        assert {key: found.get(key) for key in expected} == expected, found
        assert "model.safetensors" in found["files"]
    assert from_hub(tmp_path, DEFAULT_SOURCE, "main")["revision"] == other
    # Without the network switched off by name, too: nothing is asked of it.
    found = from_hub(tmp_path, DEFAULT_SOURCE, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9")
    assert found["revision"] == commit


@pytest.mark.parametrize(
    "environment", [{}, {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}]
)
def test_hub_without_network_and_cache(tmp_path: Path, environment: dict[str, str]) -> None:
    message = from_hub(tmp_path, DEFAULT_SOURCE, **environment)["error"]
    for words in (
        DEFAULT_SOURCE,
        PINNED_REVISIONS[DEFAULT_SOURCE],
        str(tmp_path),
        "config.json",
        "merges.txt",
        "--weights FOLDER",
        "--weights mini",
    ):
        assert words in message
    assert "\n" not in message


class FakeHub(BaseHTTPRequestHandler):
    """Answers as the hub does for one repository; what was sent stands in `sent`."""

    files: ClassVar[dict[str, bytes]] = {}
    sent: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, commit = self.path.split("?")[0], "cd" * 20
        name = path.rpartition(f"/resolve/{commit}/")[2]
        if path.startswith("/api/models/me/roofs/revision/"):
            siblings = [{"rfilename": name} for name in self.files]
            self.answer(
                json.dumps({"id": "me/roofs", "sha": commit, "siblings": siblings}).encode()
            )
        elif path == f"/api/models/me/roofs/tree/{commit}":
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": f"{number:040x}"}
                for number, (name, content) in enumerate(self.files.items())
            ]
            self.answer(json.dumps(tree).encode())
        elif name in self.files:
            if self.command == "GET":
                self.sent.append(name)
            self.answer(self.files[name], ETag=f'"{list(self.files).index(name):040x}"')
        else:
            self.send_error(404)

    def answer(self, content: bytes, **headers: str) -> None:
        self.send_response(200)
        headers |= {"Content-Length": str(len(content)), "X-Repo-Commit": "cd" * 20}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def fake_hub(pristine: Path, tmp_path: Path) -> Iterator[str]:
    torch.save(state(pristine), tmp_path / "pytorch_model.bin")
    FakeHub.files = {path.name: path.read_bytes() for path in pristine.iterdir()}
    FakeHub.files |= {
        "pytorch_model.bin": (tmp_path / "pytorch_model.bin").read_bytes(),
        "README.md": b"# Roofs",
        "tf_model.h5": b"not wanted",
    }
    FakeHub.sent = []
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("safe", [True, False])
def test_download_fetches_what_is_needed_once(tmp_path: Path, fake_hub: str, safe: bool) -> None:
    if not safe:
        del FakeHub.files["model.safetensors"]
    cache = tmp_path / "hub"
    found = from_hub(cache, "me/roofs", HF_HUB_OFFLINE="0", HF_ENDPOINT=fake_hub)
    assert (found.get("kind"), found.get("revision")) == ("hub", "cd" * 20), found
    settings = {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt"}
    weights = "model.safetensors" if safe else "pytorch_model.bin"
    assert sorted(FakeHub.sent) == sorted({*settings, weights})
    # And again without the hub, by the branch's name.
    assert from_hub(cache, "me/roofs")["revision"] == "cd" * 20
