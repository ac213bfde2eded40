"""Which scenes a word of the command line stands for: a file, a folder, a pattern, a list."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import OutputError, RasterError
from .mosaic import rasters_in

# Assets of a STAC item that hold the picture, best first, where it has several of data.
PICTURES = ("visual", "image", "data", "analytic")
LARGEST_LIST = 256 << 20


class Scene(NamedTuple):
    """A raster to classify, and what its result is called, without ending."""

    raster: str
    name: str


def stands_for_several(word: str) -> bool:
    """Whether a word is a folder, a pattern or a list, rather than a raster."""
    return os.path.isdir(word) or _is_pattern(word) or _is_list(word) or _items(word) is not None


def scenes_of(words: Sequence[str]) -> list[Scene]:
    """The scenes that words stand for.

    Parameters
    ----------
    words : sequence of str
        Anything GDAL opens; folders of rasters; patterns such as ``north*.tif``; text files
        (``.txt``) with a name in each line; STAC items or collections of items as JSON.

    Raises
    ------
    RasterError
        A folder or pattern holds no raster, or a list cannot be read.
    """
    found: list[Scene] = []
    for word in words:
        if os.path.isdir(word):
            found += map(_named, rasters_in(Path(word)))
        elif _is_pattern(word):
            names = sorted(glob.glob(word, recursive=True))
            if not names:
                raise RasterError(f"no file is called like {word}")
            found += map(_named, names)
        elif _is_list(word):
            found += map(_named, _lines(word))
        elif (items := _items(word)) is not None:
            found += [_of_item(item, os.path.dirname(word)) for item in items]
        else:
            found.append(_named(word))
    return found


def scene_targets(scenes: Sequence[Scene], folder: Path) -> list[Path]:
    """The result of each scene in a folder.

    Raises
    ------
    RasterError
        Two scenes would be written to the same file.
    OutputError
        The folder does not exist.
    """
    if not folder.is_dir():
        raise OutputError(
            f"{folder} is no folder: make one for the results first, each image gets a file in it"
        )
    targets = [folder / f"{scene.name}.tif" for scene in scenes]
    seen: set[Path] = set()
    for target in targets:
        if target in seen:
            raise RasterError(f"several rasters have the same name, {target} would be overwritten")
        seen.add(target)
    return targets


def _named(raster: str) -> Scene:
    return Scene(raster, Path(raster).stem)


def _is_pattern(word: str) -> bool:
    try:
        signs = any(sign in word for sign in "*?[") and not any(sign in word for sign in ":<{")
        return signs and not os.path.lexists(word)
    except ValueError:
        return False


def _is_list(word: str) -> bool:
    return word.lower().endswith(".txt") and os.path.isfile(word)


def _lines(word: str) -> list[str]:
    lines = [line.strip() for line in _text(word).splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise RasterError(f"the list {word} names no raster")
    # As they are, or beside the list.
    folder = os.path.dirname(word)
    beside = [os.path.join(folder, name) for name in names]
    return [b if not os.path.exists(n) and os.path.exists(b) else n for n, b in zip(names, beside)]


def _text(word: str) -> str:
    try:
        if os.path.getsize(word) > LARGEST_LIST:
            raise RasterError(f"the list {word} is larger than {LARGEST_LIST >> 20} MB")
        return Path(word).read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise RasterError(f"the list {word} cannot be read: {error}") from error


def _items(word: str) -> Sequence[Mapping[str, Any]] | None:
    """STAC items of a JSON file; None if it is something else."""
    if not word.lower().endswith((".json", ".geojson")) or not os.path.isfile(word):
        return None
    try:
        content = json.loads(_text(word))
    except (ValueError, RecursionError):
        return None
    several = content.get("features") if isinstance(content, dict) else None
    items = several if isinstance(several, list) else [content]
    ours = [
        item for item in items if isinstance(item, dict) and isinstance(item.get("assets"), dict)
    ]
    return ours if ours and len(ours) == len(items) else None


def _of_item(item: Mapping[str, Any], folder: str) -> Scene:
    """The picture of a STAC item; without one its name, so that only this scene fails."""
    name = Path(str(item.get("id"))).name or "item"
    assets = {key: value for key, value in item["assets"].items() if isinstance(value, dict)}
    data = {
        key: str(asset.get("href", ""))
        for key, asset in assets.items()
        if "data" in (asset.get("roles") or ()) or "tiff" in str(asset.get("type", ""))
    }
    chosen = next((key for key in PICTURES if key in data or key in assets), None)
    if chosen is None and len(data) == 1:
        (chosen,) = data
    href = str(assets[chosen].get("href", "")) if chosen is not None else ""
    if href.startswith(("http://", "https://")):
        href = f"/vsicurl/{href}"
    elif href.startswith("s3://"):
        href = f"/vsis3/{href[5:]}"
    elif href and "://" not in href and not href.startswith("/vsi"):
        href = os.path.join(folder, href)
    return Scene(href or f"STAC item {name} (no single asset with pixels)", name)
