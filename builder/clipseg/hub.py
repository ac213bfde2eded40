"""Weights from the hub: from its cache, or downloaded into it."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

from ..errors import SourceError
from .tensors import PICKLED, SAFETENSORS, weights_files

# Until January 2023 the preprocessor settings of these had mean and std 0.5, which CLIPSeg was not
# trained with; the revisions are of the correction or later. The hub wants hashes in full.
PINNED_REVISIONS = {
    "CIDAS/clipseg-rd64-refined": "583b388deb98a04feb3e1f816dcdb8f3062ee205",
    "CIDAS/clipseg-rd64": "d5742706ddaa1cf7493b9785958bb16da104074f",
    "CIDAS/clipseg-rd16": "d8e4d60eb2dccbcbe7650c04c0a8413bb4d89dc5",
}
COMMIT = r"[0-9a-f]{40}"
TIMEOUT = 10.0
"""Seconds that the hub has for its first answer."""
SETTINGS = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
)


def download(repository: str, revision: str | None = None) -> tuple[Path, str]:
    """Bring a repository's weights and settings onto this machine.

    Parameters
    ----------
    repository : str
        Hub id.
    revision : str, optional
        Branch, tag or whole commit; the pinned commit of a known id by default, else ``main``.

    Returns
    -------
    Path
        Folder in the hub's cache.
    str
        The commit.

    Raises
    ------
    SourceError
        It is not in the cache and cannot be downloaded; says which files to put where.
    """
    revision = revision or PINNED_REVISIONS.get(repository, "main")
    # A commit never changes, so that one in the cache need not be asked for.
    folder = _cached(repository, revision) if re.fullmatch(COMMIT, revision) else None
    if folder is None:
        try:
            folder = _fetched(repository, revision)
        except Exception as error:  # whichever library the hub's client speaks HTTP with
            folder = _cached(repository, revision)
            if folder is None:
                raise SourceError(_advice(repository, revision, error)) from error
    return folder, folder.name


def _advice(repository: str, revision: str, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
    return (
        f"{repository} at revision {revision} is not in the cache {_cache()} and could not be "
        f"downloaded ({reason}). Without network: put config.json, preprocessor_config.json, "
        "vocab.json, merges.txt and model.safetensors (or pytorch_model.bin) of that repository "
        "into a folder and give the folder instead, --weights FOLDER; or use --weights mini, the "
        "miniature for demonstration"
    )


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _cached(repository: str, revision: str) -> Path | None:
    """The snapshot of a revision, if the cache holds the whole of it."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=[*SETTINGS, *SAFETENSORS],
                local_files_only=True,
            )
        )
        weights_files(folder)
    except (OSError, ValueError, SourceError):  # nothing there, or a part
        return None
    return folder if (folder / "config.json").is_file() else None


def _fetched(repository: str, revision: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    # Asked once and without repetition, so that nobody without network waits for half a minute.
    info = HfApi().model_info(repository, revision=revision, timeout=TIMEOUT)
    names = [file.rfilename for file in info.siblings or ()]
    safe = any(fnmatch(name, pattern) for name in names for pattern in SAFETENSORS)
    # Many repositories hold the same weights a second time in the old format.
    wanted = [*SETTINGS, *(SAFETENSORS if safe else PICKLED)]
    return Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
