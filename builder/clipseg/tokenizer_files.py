"""The tokenizer that belongs to a text tower: its files, and whether they fit the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_extension.clipseg.files.tokenizer import Tokenizer
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.common.errors import TokenizerError

from ..errors import SourceError
from ..json_files import read_json

# Checkpoints from before the end token's id was written down say this; their end token is the
# highest id (transformers still goes by it).
LEGACY_END_TOKEN = 2


@dataclass(frozen=True)
class TokenizerFiles:
    """A tokenizer as a package holds it.

    Parameters
    ----------
    tokenizer : Tokenizer
    vocab, merges : bytes
        Content of ``vocab.json`` and ``merges.txt``.
    files : tuple of Path
        What was read, for the record.
    """

    tokenizer: Tokenizer
    vocab: bytes
    merges: bytes
    files: tuple[Path, ...]


def read_tokenizer(folder: Path, config: NetworkConfig) -> TokenizerFiles:
    """Read a tokenizer and compare it with the text tower.

    Parameters
    ----------
    folder : Path
        With ``vocab.json`` and ``merges.txt``, or with ``tokenizer.json``.
    config : NetworkConfig
        With a text tower.

    Returns
    -------
    TokenizerFiles

    Raises
    ------
    SourceError
        Files are missing or broken, or are not those of the text tower.
    """
    pair = (folder / "vocab.json", folder / "merges.txt")
    single = folder / "tokenizer.json"
    try:
        if all(path.is_file() for path in pair):
            tokenizer = Tokenizer.from_folder(folder)
            found = TokenizerFiles(tokenizer, pair[0].read_bytes(), pair[1].read_bytes(), pair)
        elif single.is_file():
            found = _from_single(read_json(single), single)
        else:
            raise SourceError(
                f"{folder} has no tokenizer: put vocab.json and merges.txt (or tokenizer.json) of "
                "the model there, which prompts are read with"
            )
    except TokenizerError as error:
        raise SourceError(str(error)) from error
    except OSError as error:
        raise SourceError(f"the tokenizer in {folder} cannot be read: {error}") from error
    _check_fit(found.tokenizer, config, folder)
    return found


def _from_single(content: Mapping[str, Any], path: Path) -> TokenizerFiles:
    """Take vocabulary and merges out of the one file of the `tokenizers` library."""
    model = content.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        raise SourceError(f"{path} is not a byte-pair tokenizer, as CLIP has")
    try:
        vocab = {str(token): int(id_) for token, id_ in model["vocab"].items()}
        for added in content.get("added_tokens") or ():
            vocab.setdefault(str(added["content"]), int(added["id"]))
        # Older versions write a merge as one text, newer ones as a pair.
        merges = [
            tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)
            for merge in model["merges"]
        ]
        pairs = [(str(left), str(right)) for left, right in merges]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"{path} is not a tokenizer as transformers writes it: {error}"
        ) from error
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in pairs)]
    ordered = dict(sorted(vocab.items(), key=lambda item: item[1]))
    return TokenizerFiles(
        Tokenizer(vocab, pairs),
        json.dumps(ordered, ensure_ascii=False).encode("utf-8"),
        ("\n".join(lines) + "\n").encode("utf-8"),
        (path,),
    )


def _check_fit(tokenizer: Tokenizer, config: NetworkConfig, folder: Path) -> None:
    if tokenizer.size > config.vocabulary:
        raise SourceError(
            f"the tokenizer in {folder} has {tokenizer.size} tokens and the text tower knows "
            f"{config.vocabulary}: they are of different models"
        )
    legacy = config.end_token == LEGACY_END_TOKEN
    expected = tokenizer.size - 1 if legacy else config.end_token
    if tokenizer.end_id != expected:
        # The embedding would be read at a wrong place, without any error.
        raise SourceError(
            f"the tokenizer in {folder} ends a prompt with token {tokenizer.end_id}, config.json "
            f"expects {expected} (text_config.eos_token_id {config.end_token}): they are of "
            "different models"
        )
