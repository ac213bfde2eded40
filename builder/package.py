"""Building a package: weights, code and model definition into one .dlpk."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from schemas.emd import validate_emd

import model_extension
from model_extension.clipseg.config import NetworkConfig
from model_extension.clipseg.errors import CLIPSegError
from model_extension.clipseg.prompts import match_names, parse_prompts
from model_extension.clipseg.tensors import check_tensors, tensor_shapes

from .archive import write_zip
from .emd import FUNCTION_FILE, WEIGHTS_FILE, emd_bytes, model_definition, network_settings
from .errors import BuildError, SourceError
from .golden import write_golden
from .provenance import licences_text
from .safetensors_writer import total_bytes, write_safetensors
from .sources import DEFAULT_SOURCE, Weights, open_source
from .vocabulary import Vocabulary, freeze_prompts, read_embeddings

FORMAT = 1
PRECISIONS = {"fp16": "float16", "fp32": "float32"}
# The paper's threshold for prompts (table 3); the miniature is trained for one half.
DEFAULT_THRESHOLD = 0.3
MINI_THRESHOLD = 0.5
MINI_PROMPT = "water, vegetation"
DESCRIPTION = "CLIPSeg: segments imagery from text prompts."
MINI_DESCRIPTION = (
    "A miniature of CLIPSeg for demonstration: it knows a few kinds of land cover in Sentinel-2 "
    "and Landsat images and is not meant for real work."
)
EMBEDDINGS_FILE = "prompt_embeddings.safetensors"


@dataclass(frozen=True)
class Built:
    """A package that was built.

    Parameters
    ----------
    path : Path
        The .dlpk file.
    sha256 : str
        Of the file.
    size : int
        Bytes.
    notes : tuple of str
        What the user should know.
    """

    path: Path
    sha256: str
    size: int
    notes: tuple[str, ...]


def build(
    out: str | Path,
    *,
    weights: str = DEFAULT_SOURCE,
    clip: str | Path | None = None,
    revision: str | None = None,
    name: str | None = None,
    description: str | None = None,
    precision: str = "fp16",
    threshold: float | None = None,
    prompt: str | None = None,
    freeze_prompts: str | None = None,
    prompt_embeddings: str | Path | None = None,
    names: str | Path | None = None,
    embeddings_tensor: str | None = None,
) -> Built:
    """Build a deep learning package around CLIPSeg.

    Parameters
    ----------
    out : path
        The .dlpk file to write; replaced if it exists.
    weights : str
        Source of the weights: see `builder.sources.open_source`.
    clip : path, optional
        Folder with CLIP, when `weights` is the authors' decoder.
    revision : str, optional
        Of a hub id.
    name : str, optional
        Name of the package; that of the file by default.
    description : str, optional
        A sentence for people.
    precision : str
        ``fp16`` or ``fp32``: how the weights are stored.
    threshold : float, optional
        Default threshold, 0 to 1.
    prompt : str, optional
        Default prompts.
    freeze_prompts : str, optional
        Prompts to embed now, separated by commas; the text tower is left out.
    prompt_embeddings, names : path, optional
        Embeddings made elsewhere, and their names.
    embeddings_tensor : str, optional
        Which tensor of `prompt_embeddings`.

    Returns
    -------
    Built

    Raises
    ------
    BuildError
        Says what is wrong and what to do; nothing is left behind.
    """
    out = _checked_target(Path(out))
    if precision not in PRECISIONS:
        raise BuildError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise BuildError(f"threshold is {threshold:g}; it must be from 0 to 1")
    if freeze_prompts is not None and prompt_embeddings is not None:
        raise BuildError("give either prompts to freeze or embeddings made elsewhere, not both")
    if (prompt_embeddings is None) != (names is None):
        raise BuildError("prompt embeddings and their names go together: give both files")
    title = name or out.stem
    file_name = re.sub(r"[^A-Za-z0-9_-]+", "_", title).strip("_") or "clipseg"
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        with ExitStack() as stack:
            source = open_source(weights, stack, clip=clip, revision=revision)
            vocabulary = _vocabulary(
                source, freeze_prompts, prompt_embeddings, names, embeddings_tensor
            )
            settings = _definition(
                source, vocabulary, title, description, threshold, prompt, file_name
            )
            package = staging / "package"
            package.mkdir()
            _write_weights(package, source, settings, precision)
            _write_vocabulary(package, source, vocabulary)
            notes = (*source.notes, *(vocabulary.notes if vocabulary else ()))
            record = _weights_record(source, vocabulary)
        _write_code(package)
        (package / f"{file_name}.emd").write_bytes(emd_bytes(settings))
        golden_prompts = _golden_prompts(settings)
        write_golden(package, f"{file_name}.emd", golden_prompts, settings["Threshold"])
        text = licences_text(source.licences)
        (package / "LICENSES.md").write_bytes(text.encode("utf-8"))
        manifest = {
            "format": FORMAT,
            "name": title,
            "created_by": {"name": "dlpk", "version": own_version()},
            "precision": precision,
            "weights": record,
            "licences": [licence.to_dict() for licence in source.licences],
            "files": _hashes(package),
        }
        (package / "manifest.json").write_bytes(
            (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode("ascii")
        )
        _self_check(package / f"{file_name}.emd")
        finished = staging / out.name
        write_zip(package, finished)
        built = Built(out, file_hash(finished), finished.stat().st_size, notes)
        os.replace(finished, out)
        return built
    except CLIPSegError as error:
        raise BuildError(str(error)) from error
    except OSError as error:
        raise BuildError(f"{out} cannot be written: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def own_version() -> str:
    """Version of this project, as installed."""
    try:
        return version("dlpk")
    except PackageNotFoundError:
        return "0"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _checked_target(out: Path) -> Path:
    if out.suffix.lower() != ".dlpk":
        raise BuildError(f"{out} does not end in .dlpk, which ArcGIS knows packages by")
    if out.is_dir():
        raise BuildError(f"{out} is a folder; name a file")
    if not out.parent.is_dir():
        raise BuildError(f"the folder {out.parent} does not exist: make it first")
    if not os.access(out.parent, os.W_OK):
        raise BuildError(f"the folder {out.parent} cannot be written to")
    return out


def _vocabulary(
    source: Weights,
    freeze: str | None,
    embeddings: str | Path | None,
    names: str | Path | None,
    tensor: str | None,
) -> Vocabulary | None:
    if freeze is not None:
        text = NetworkConfig.from_dict(network_settings(source.config, frozen=False))
        if "clip.text_projection.weight" not in source.tensors.keys():
            raise BuildError(
                f"{source.source} has no text tower to embed prompts with: take embeddings from "
                "elsewhere with --prompt-embeddings FILE --names FILE"
            )
        return freeze_prompts(freeze, source, text)
    if embeddings is not None and names is not None:
        projection = int(source.config.get("projection_dim", 512))
        return read_embeddings(Path(embeddings), Path(names), projection, tensor=tensor)
    if "clip.text_projection.weight" not in source.tensors.keys():
        near = sorted(path.name for path in source.files[0].parent.glob("*embedding*"))
        hint = f" (the folder holds {', '.join(near)})" if near else ""
        raise SourceError(
            f"{source.source} has no text tower, so prompts have to be embedded beforehand: give "
            f"--prompt-embeddings FILE --names FILE{hint}"
        )
    if source.tokenizer is None:
        raise SourceError(
            f"{source.source} has no vocab.json and merges.txt, which prompts are read with"
        )
    return None


def _definition(
    source: Weights,
    vocabulary: Vocabulary | None,
    title: str,
    description: str | None,
    threshold: float | None,
    prompt: str | None,
    file_name: str,
) -> dict[str, Any]:
    mini = source.kind == "mini"
    if threshold is None:
        threshold = MINI_THRESHOLD if mini else DEFAULT_THRESHOLD
    if prompt is None:
        prompt = _default_prompt(vocabulary, mini)
    elif vocabulary is not None:
        match_names(parse_prompts(prompt), vocabulary.names)
    network = network_settings(source.config, frozen=vocabulary is not None)
    sides = (source.image_size, network["vision_config"]["patch_size"])
    if sides[0] % sides[1]:
        raise SourceError(
            f"the preprocessor's image size {sides[0]} is not a multiple of the patch size "
            f"{sides[1]}"
        )
    return model_definition(
        name=title,
        description=description or (MINI_DESCRIPTION if mini else DESCRIPTION),
        network=network,
        mean=source.mean,
        std=source.std,
        tile_size=source.image_size,
        threshold=threshold,
        prompt=prompt,
        prompt_names=None if vocabulary is None else vocabulary.names,
    )


def _default_prompt(vocabulary: Vocabulary | None, mini: bool) -> str:
    if vocabulary is not None:
        few = len(vocabulary.names) <= 8
        return ", ".join(vocabulary.names) if few else vocabulary.names[0]
    return MINI_PROMPT if mini else ""


def _write_weights(
    package: Path, source: Weights, settings: Mapping[str, Any], precision: str
) -> None:
    config = NetworkConfig.from_dict(settings["CLIPSeg"]["Network"])
    found = {name: source.tensors.shape(name) for name in source.tensors.keys()}
    try:
        check_tensors(config, found, source.source)
    except CLIPSegError as error:
        raise SourceError(str(error)) from error
    shapes = tensor_shapes(config)
    needed = total_bytes(shapes.values(), PRECISIONS[precision])
    # The package is staged and then zipped beside itself: twice the size for a moment.
    free = shutil.disk_usage(package).free
    if free < 2 * needed:
        raise BuildError(
            f"building needs {2 * needed / 1e6:,.0f} MB beside {package.parent.parent}, "
            f"{free / 1e6:,.0f} MB are free"
        )
    write_safetensors(
        package / WEIGHTS_FILE,
        shapes,
        source.tensors.tensor,
        dtype=PRECISIONS[precision],
        metadata={"format": "pt"},
    )


def _write_vocabulary(package: Path, source: Weights, vocabulary: Vocabulary | None) -> None:
    if vocabulary is not None:
        write_safetensors(
            package / EMBEDDINGS_FILE,
            {"prompts": vocabulary.embeddings.shape},
            lambda name: vocabulary.embeddings,
            dtype="float32",
        )
    elif source.tokenizer is not None:
        for file in ("vocab.json", "merges.txt"):
            shutil.copyfile(source.tokenizer / file, package / file)


def _write_code(package: Path) -> None:
    home = Path(model_extension.__file__).parent
    for path in (home / FUNCTION_FILE, *sorted((home / "clipseg").glob("*.py"))):
        target = package / path.relative_to(home)
        target.parent.mkdir(exist_ok=True)
        # A checkout on Windows may have other line ends; the package has not.
        target.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))


def _golden_prompts(settings: Mapping[str, Any]) -> tuple[str, ...]:
    own = settings["CLIPSeg"]
    if own["Prompt"]:
        return parse_prompts(own["Prompt"])[:3]
    return tuple(own.get("PromptNames", ("water", "trees")))[:3]


def _weights_record(source: Weights, vocabulary: Vocabulary | None) -> dict[str, Any]:
    record: dict[str, Any] = {
        "source": source.source if source.kind in ("hub", "mini") else Path(source.source).name,
        "kind": source.kind,
        "inputs": {path.name: file_hash(path) for path in source.files},
    }
    if source.revision:
        record["revision"] = source.revision
    if vocabulary is not None:
        record["vocabulary"] = {"names": len(vocabulary.names), "origin": vocabulary.origin}
    return record


def _hashes(package: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in package.rglob("*") if path.is_file())
    return {
        path.relative_to(package).as_posix(): {
            "sha256": file_hash(path),
            "size": path.stat().st_size,
        }
        for path in files
    }


def _self_check(emd: Path) -> None:
    report = validate_emd(emd.read_bytes(), file=emd.name, profile="package")
    if not report.ok:
        raise BuildError(f"the model definition does not pass our own schema:\n{report.to_text()}")
