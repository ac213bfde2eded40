r"""Raster functions of ArcGIS's own that an installed `arcgis` package carries as text.

``[Functions]System\DeepLearning\ArcGISLearn\…`` names a file of the ArcGIS installation. The
public Python package `arcgis` writes the same files into the packages it exports, and keeps their
text in one module, from which they are taken here.
"""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path

from builder.scratch import scratch_until_exit

from ..errors import FunctionError

# File of the installation to the variable that holds its text.
TEMPLATES = {
    "arcgisimageclassifier": "image_classifier_prf",
    "arcgisimagetranslation": "image_translation_prf",
    "arcgissuperresolution": "super_resolution",
    "arcgisimagetsclassifier": "imagets_classifier_prf",
}
NEEDS = (
    "Install it beside this command (pip install arcgis) together with what the model needs "
    "(torchvision, fastai and so on), or run the package in ArcGIS"
)


def builtin_function(reference: str) -> Path:
    """Write a function of ArcGIS's own into a temporary file.

    Parameters
    ----------
    reference : str
        As in the model definition.

    Returns
    -------
    Path
        Removed when Python ends.

    Raises
    ------
    FunctionError
        The package `arcgis` is not installed, or does not carry this function.
    """
    stem = reference.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    templates = _templates_file()
    if templates is None:
        raise FunctionError(
            f"the function {reference} belongs to the ArcGIS installation, and the Python package "
            f"'arcgis', which carries its text, is not installed. {NEEDS}"
        )
    variable = TEMPLATES.get(stem.lower())
    text = _constant(templates, variable) if variable else None
    if text is None:
        raise FunctionError(
            f"the function {reference} belongs to the ArcGIS installation, and the installed "
            f"package 'arcgis' does not carry it: run the package in ArcGIS"
        )
    return _written(stem, text)


@cache
def _written(stem: str, text: str) -> Path:
    folder = scratch_until_exit()
    path = folder / f"{stem}.py"
    path.write_text(text, encoding="utf-8")
    return path


def _templates_file() -> Path | None:
    # Found without importing `arcgis.learn`, which imports half of the world.
    try:
        spec = importlib.util.find_spec("arcgis")
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder) / "learn" / "models" / "_codetemplate.py"
        if path.is_file():
            return path
    return None


def _constant(path: Path, name: str) -> str | None:
    """Text of a string variable at the top of a module, without running the module."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if name in names and isinstance(node.value.value, str):
                return node.value.value
    return None
