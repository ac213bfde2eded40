"""What an installation may lack, or be disturbed by, said in one line."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

# Top-level packages of ours whose names others may use, too.
NEIGHBOURS = ("schemas", "builder", "model_extension")
MARK = "Part of dlpk."
PARTS = {
    "osgeo": "GDAL with its Python bindings",
    "torch": "PyTorch",
    "numpy": "numpy",
    "scipy": "scipy",
    "shapely": "shapely",
    "tqdm": "tqdm",
    "matplotlib": "matplotlib",
    "huggingface_hub": "huggingface_hub",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "distributed": "Dask distributed",
    "dask": "Dask distributed",
    "onnx": "onnx",
    "onnx2torch": "onnx2torch",
    "onnxruntime": "onnxruntime",
    "segmentation_models_pytorch": "segmentation_models_pytorch",
    "transformers": "transformers",
}
INSTALL = "pip install 'dlpk[run]'"
# Parts of other extras.
EXTRAS = {
    **dict.fromkeys(("starlette", "uvicorn"), "studio"),
    **dict.fromkeys(("distributed", "dask"), "cluster"),
    **dict.fromkeys(("onnx", "onnx2torch", "onnxruntime", "transformers"), "new"),
    "segmentation_models_pytorch": "new",
}
GDAL = f"conda install -c conda-forge gdal, or {INSTALL} where GDAL's library is"


def check_neighbours() -> None:
    """Check that `schemas` and the like are those that came with dlpk.

    Raises
    ------
    ImportError
        Another distribution, or a folder that Python looks into first, has one of that name.
    """
    home = Path(__file__).resolve().parents[1]
    for name in NEIGHBOURS:
        try:
            spec = find_spec(name)
        except ValueError:  # somebody made a module of that name by hand
            spec = None
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin != home / name / "__init__.py" or MARK not in origin.read_text("utf-8"):
            from importlib.metadata import packages_distributions

            others = sorted(set(packages_distributions().get(name, ())) - {"dlpk"})
            owner = f", which the distribution {', '.join(others)} brings" if others else ""
            raise ImportError(
                f"Python finds {origin or 'something else'} for dlpk's own package "
                f"{name!r}{owner}: install dlpk into an environment of its own"
            )


def missing_part(error: ImportError) -> str | None:
    """What to install when a module cannot be imported; None if that is another matter."""
    name = (error.name or "").split(".")[0].lstrip("_")
    name = "osgeo" if name.startswith("gdal") else name
    if name not in PARTS:
        return None
    extra = f"pip install 'dlpk[run,{EXTRAS[name]}]'" if name in EXTRAS else INSTALL
    return f"{PARTS[name]} ({error}): {GDAL if name == 'osgeo' else extra}; see docs/install.md"


def own_version() -> str:
    """Version of this project, as installed; 0 in a checkout that is not."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dlpk")
    except PackageNotFoundError:
        return "0"
