"""References from an EMD to files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpk.errors import BuiltInFunctionError, PackageError
from dlpk.package.open import Package, open_package, resolve
from schemas.findings import Finding
from tests.support.packages import EMD, make_folder


@pytest.fixture()
def opened(tmp_path: Path) -> Package:
    with open_package(make_folder(tmp_path / "package")) as package:
        return package


@pytest.mark.parametrize(
    ("reference", "found", "other_case"),
    [
        ("Model.py", "Model.py", False),
        (".\\Model.py", "Model.py", False),
        ("./Model.py", "Model.py", False),
        ("helpers\\tables.txt", "helpers/tables.txt", False),
        ("helpers/../Model.py", "Model.py", False),
        ("MODEL.PY", "Model.py", True),
        ("Helpers\\TABLES.txt", "helpers/tables.txt", True),
        ("helpers", "helpers", False),
        ("helpers/", "helpers", False),
        (".", ".", False),
    ],
)
def test_references(opened: Package, reference: str, found: str, other_case: bool) -> None:
    assert opened.root is not None
    notes: list[Finding] = []
    assert resolve(opened, reference, notes) == opened.root / found
    assert [note.rule for note in notes] == ["container/reference-case"] * other_case


def test_absolute_reference(opened: Package, tmp_path: Path) -> None:
    outside = tmp_path / "weights.pth"
    outside.write_bytes(b"")
    assert resolve(opened, str(outside)) == outside
    with pytest.raises(PackageError, match=r"does not exist.*write 'Model\.pth'"):
        resolve(opened, str(tmp_path / "Model.pth"))
    for reference in ("C:\\models\\Model.pth", "\\\\server\\share\\Model.pth", "d:Model.pth"):
        with pytest.raises(PackageError, match=r"Windows machine.*write 'Model\.pth'"):
            resolve(opened, reference)


@pytest.mark.parametrize("reference", ["../x", "..\\x", "a/../../x", "helpers\\..\\..\\x", ".."])
def test_reference_that_leads_out(opened: Package, reference: str) -> None:
    with pytest.raises(PackageError, match="leads out of the package"):
        resolve(opened, reference)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("Modell.py", "'Model.py'"),
        ("tables.txt", "'helpers/tables.txt'"),
        ("Model.pt", "'Model.pth'"),
        ("zzz", "holds 'Model.pth', 'Model.py', 'helpers/tables.txt'"),
        ("Model.py/x", "not there"),
        ("helpers/nothing.txt", "not there"),
    ],
)
def test_missing_reference_lists_near_names(opened: Package, reference: str, words: str) -> None:
    with pytest.raises(PackageError, match=words):
        resolve(opened, reference)


@pytest.mark.parametrize(
    "reference",
    [
        "[Functions]System\\DeepLearning\\ArcGISLearn\\ArcGISImageClassifier.py",
        "[functions]\\X.py",
        "[resources]models\\raster\\1\\X.emd",
    ],
)
def test_reference_into_the_installation(opened: Package, reference: str) -> None:
    with pytest.raises(BuiltInFunctionError, match="ArcGIS Pro installation"):
        resolve(opened, reference)


@pytest.mark.parametrize("reference", ["", "  ", "a\0b", None, 3, ["Model.py"]])
def test_reference_that_is_no_name(opened: Package, reference: object) -> None:
    with pytest.raises(PackageError, match="no file name"):
        resolve(opened, reference)  # type: ignore[arg-type]


def test_reference_that_fits_two_files(opened: Package) -> None:
    assert opened.root is not None
    (opened.root / "model.py").write_bytes(b"")
    assert resolve(opened, "Model.py") == opened.root / "Model.py"
    with pytest.raises(PackageError, match=r"'Model\.py', 'model\.py'"):
        resolve(opened, "MODEL.PY")


def test_the_definition_is_never_offered_as_its_own_weights(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "Model", {"Model.emd": EMD.encode(), "Model.py": b""})
    with open_package(folder) as package, pytest.raises(PackageError) as caught:
        resolve(package, "Model.pth")
    assert "Model.emd" not in str(caught.value)
    assert "The package holds 'Model.py'. Add the file" in str(caught.value)
