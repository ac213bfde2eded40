"""Building that fails or is interrupted: nothing is left of it, and an old package stays."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import builder.clipseg.build
import builder.pack
from builder import BuildError, build
from tests.support import built_packages

ROOT = Path(__file__).parents[2]
pristine = built_packages.pristine
package = built_packages.package
out = built_packages.out


def in_process(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


BUILD = """
import sys
from builder import BuildError, build
try:
    print(build(sys.argv[1], weights=sys.argv[2]).sha256)
except BuildError as error:
    print("BuildError:", error)
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_read_only_folder(pristine: Path, out: Path) -> None:
    out.write_bytes(b"old")
    out.parent.chmod(0o555)
    drop = "import os\nif os.getuid() == 0:\n    os.setgroups([])\n    os.setuid(65534)\n"
    # Whoever runs the tests, the folders above are to be passed.
    for above in (*out.parents[1:5], *pristine.parents[:4]):
        above.chmod(above.stat().st_mode | 0o055)
    try:
        done = in_process(
            "import builder.clipseg.build, builder.clipseg.golden\n" + drop + BUILD, out, pristine
        )
    finally:
        out.parent.chmod(0o755)
    assert "BuildError" in done.stdout and "cannot be written to" in done.stdout, done.stderr
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.parametrize("stage", ["weights", "zip"])
def test_disk_full(pristine: Path, package: Path, out: Path, stage: str) -> None:
    """A limit on the size of files stops the writing as a full disk does."""
    with zipfile.ZipFile(package) as archive:
        weights = archive.getinfo("model.safetensors").file_size
    limit = weights // 2 if stage == "weights" else package.stat().st_size - 1
    assert limit > weights or stage == "weights"
    out.write_bytes(b"old")
    done = in_process(
        BUILD,
        out,
        pristine,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert f"the disk of {out.parent} is full" in done.stdout, done.stderr
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == [out.name]


def test_too_little_room_is_known_beforehand(
    pristine: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage("."))(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(BuildError, match=r"building needs \d+ MB .*, 0 MB are free"):
        build(out, weights=str(pristine))
    assert os.listdir(out.parent) == []


MAKE = builder.clipseg.build
STAGES = (
    (MAKE, "open_source"),
    (MAKE, "write_safetensors"),
    (MAKE, "add_golden"),
    (builder.pack, "manifest_bytes"),
    (builder.pack, "write_zip"),
    (builder.pack, "file_hash"),
)


@pytest.mark.parametrize(
    ("module", "stage", "kind"),
    [
        *((*stage, KeyboardInterrupt) for stage in STAGES),
        (MAKE, "write_safetensors", OSError),
        (builder.pack, "write_zip", OSError),
        (MAKE, "emd_bytes", MemoryError),
    ],
)
def test_nothing_is_left_behind(
    pristine: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    stage: str,
    kind: type[BaseException],
) -> None:
    def after(work: Callable[..., Any]) -> Callable[..., Any]:
        def interrupted(*arguments: Any, **options: Any) -> Any:
            work(*arguments, **options)
            raise kind("at the worst moment")

        return interrupted

    out.write_bytes(b"old")
    monkeypatch.setattr(module, stage, after(getattr(module, stage)))
    with pytest.raises(BuildError if kind is OSError else kind, match="at the worst moment"):
        build(out, weights=str(pristine))
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.parametrize("moment", ["make.open_source", "pack.write_zip"])
def test_interrupted_by_a_signal(pristine: Path, out: Path, moment: str) -> None:
    """Ctrl-C as the terminal sends it, while a stage is at work."""
    out.write_bytes(b"old")
    code = f"""
import sys, time
import builder.clipseg.build as make, builder.pack as pack
work = {moment}
def slow(*arguments, **options):
    work(*arguments, **options)
    print("now", flush=True)
    time.sleep(60)
{moment} = slow
make.build(sys.argv[1], weights=sys.argv[2])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(out), str(pristine)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert out.read_bytes() == b"old"
    assert os.listdir(out.parent) == [out.name]
