"""Damaged packages, definitions and weights: a report or a clear error each, nothing outside."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dlpk.errors import PackageError
from dlpk.package.open import check_folder, open_package
from tests.attacks.crafted import EMD
from tests.attacks.fuzz import KINDS, no_hang, run
from tests.attacks.watching import watched

MUTANTS = 1500
FOLDERS = 150


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_in_a_report_or_one_clear_error(kind: str, tmp_path: Path) -> None:
    taken = run(kind, MUTANTS, tmp_path, seed=10**6)
    assert 0 < taken < MUTANTS


def test_damaged_folders(tmp_path: Path) -> None:
    """Folders full of odd names, links and devices: a report or a clear error each."""
    import os

    rng = random.Random(7)
    names = [
        *("Model.emd", "model.EMD", "Model.py", "MODEL.PY", "a", "b", "._Model.emd", "__MACOSX"),
        *("CON", "x.", "y ", "a\\b", 'q"', "\x1b[31m", "é", "\u202eevil", "n" * 250, "\udcff"),
    ]
    for number in range(FOLDERS):
        root = tmp_path / f"p{number}"
        root.mkdir()
        folders = [root]
        for _ in range(rng.randrange(8)):
            path = rng.choice(folders) / rng.choice(names)
            if os.path.lexists(path):
                continue
            kind = rng.randrange(5)
            if kind == 0:
                path.mkdir()
                folders.append(path)
            elif kind == 1:
                path.symlink_to(rng.choice([*names[:5], "/etc", "..", path.name]))
            elif kind == 2:
                os.mkfifo(path)
            else:
                path.write_bytes(rng.choice([EMD, b"", b"\xff\xfe", b"{", b"[1]", EMD[:50]]))
        before = sorted(os.walk(root))
        with no_hang(), watched(tmp_path / "nowhere") as watch:
            report = check_folder(root)
            report.to_text().encode("utf-8")
            try:
                with open_package(root) as package_:
                    assert package_.kind == "folder"
                    assert package_.sha256 is None or len(package_.sha256) == 64
            except PackageError as error:
                str(error).encode("utf-8")
        assert not watch.changes and not watch.ran
        assert sorted(os.walk(root)) == before
