"""The tokenizer of a source: of two files or of one, and that of another model."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from builder.clipseg.tokenizer_files import read_tokenizer
from builder.errors import SourceError
from model_extension.clipseg.files.tokenizer import END, Tokenizer
from model_extension.clipseg.network.config import NetworkConfig
from tests.support import source_folders
from tests.support.tiny_clipseg import VOCABULARY, settings

FROZEN = os.environ.get("DLPK_FROZEN_WEIGHTS")
TEXT = NetworkConfig.from_dict(settings(patch=16))
pristine = source_folders.pristine
folder = source_folders.folder


@pytest.mark.parametrize("merge", ["w a", ["w", "a"]])
def test_tokenizer_of_one_file(folder: Path, merge: Any) -> None:
    """Both forms of `tokenizers`: merges as texts, and, since 0.20, as pairs."""
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    model = {"type": "BPE", "vocab": {"wa": 514}, "merges": [merge]}
    specials = ("<|startoftext|>", "<|endoftext|>")
    model["vocab"].update({k: v for k, v in VOCABULARY.items() if k not in specials})
    added = [{"id": VOCABULARY[token], "content": token} for token in specials]
    (folder / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": added}))
    config = NetworkConfig.from_dict(
        {**settings(patch=16), "text_config": {**settings()["text_config"], "vocab_size": 600}}
    )
    found = read_tokenizer(folder, config)
    assert found.files == (folder / "tokenizer.json",)
    written = folder / "written"
    written.mkdir()
    (written / "vocab.json").write_bytes(found.vocab)
    (written / "merges.txt").write_bytes(found.merges)
    again = Tokenizer.from_folder(written)
    for text in ("water", "Wald-Wasser é 水", "", "wa"):
        assert again.encode(text) == found.tokenizer.encode(text)
    assert 514 in again.encode("water")


@pytest.mark.skipif(FROZEN is None, reason="DLPK_FROZEN_WEIGHTS is not set")
def test_tokenizer_of_clip_from_one_file(tmp_path: Path) -> None:
    assert FROZEN is not None
    shutil.copy(Path(FROZEN) / "tokenizer.json", tmp_path)
    config = NetworkConfig.from_dict({"text_config": {}})
    one, two = read_tokenizer(tmp_path, config), read_tokenizer(Path(FROZEN), config)
    assert json.loads(one.vocab) == json.loads(two.vocab)
    texts = ["a photo of a solar panel", "Überflutung", "水 🌊", "it's 2024!"]
    assert one.tokenizer.batch(texts).ids.tolist() == two.tokenizer.batch(texts).ids.tolist()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"model": {"type": "WordPiece", "vocab": {}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": {"a": 1}}}',
        '{"model": {"type": "BPE", "vocab": {"a": 1}, "merges": ["a b c"]}}',
        '{"model": {"type": "BPE", "vocab": {"a": "x"}, "merges": []}}',
        '{"model": {"type": "BPE", "vocab": {"a": 1}, "merges": []}}',
    ],
)
def test_tokenizer_that_is_none(folder: Path, content: str) -> None:
    (folder / "merges.txt").unlink()
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(SourceError):
        read_tokenizer(folder, TEXT)


def test_tokenizer_of_another_model(folder: Path) -> None:
    def with_text(**changes: int) -> NetworkConfig:
        base = settings(patch=16)
        return NetworkConfig.from_dict({**base, "text_config": {**base["text_config"], **changes}})

    with pytest.raises(SourceError, match="has 514 tokens and the text tower knows 300"):
        read_tokenizer(folder, with_text(vocab_size=300, eos_token_id=299))
    with pytest.raises(SourceError, match=r"ends a prompt with token 513, .* expects 400"):
        read_tokenizer(folder, with_text(eos_token_id=400))
    # Checkpoints from before 2023 say 2 and mean the highest id.
    assert read_tokenizer(folder, with_text(eos_token_id=2)).tokenizer.end_id == VOCABULARY[END]
