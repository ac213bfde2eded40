"""Vocabularies of the packaged tokenizer: read from folders, and broken in many ways."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_extension.clipseg.files.tokenizer import BEGIN, END, Tokenizer
from model_extension.common.errors import CLIPSegError, TokenizerError
from tests.support.tokenizer_pairs import Pair, byte_symbols, learned_merges, vocabulary
from tests.support.tokenizer_texts import CORPUS, TEXTS

transformers = pytest.importorskip("transformers")


def write(folder: Path, vocab: object, merges: str | bytes) -> Path:
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    raw = merges if isinstance(merges, bytes) else merges.encode()
    (folder / "merges.txt").write_bytes(raw)
    return folder


VOCAB = {"a": 0, "b</w>": 1, "ab</w>": 2, "#": 3, "#</w>": 4, "##</w>": 5, BEGIN: 6, END: 7}


@pytest.mark.parametrize(
    "merges",
    [
        "#version: 0.2\na b</w>\n# #</w>\n",
        "#version: 0.2\r\na b</w>\r\n# #</w>\r\n",
        "a b</w>\n# #</w>",
        b"\xef\xbb\xbf#version: 0.2\na b</w>\n\n# #</w>\n\n",
    ],
)
def test_folder(tmp_path: Path, merges: str | bytes) -> None:
    tokenizer = Tokenizer.from_folder(write(tmp_path, VOCAB, merges))
    assert tokenizer.encode("ab ## b #") == [6, 2, 5, 1, 4, 7]
    assert tokenizer.encode("b z") == [6, 1, 7, 7]
    assert (tokenizer.begin_id, tokenizer.end_id, tokenizer.size) == (6, 7, 8)
    assert Tokenizer.from_folder(str(tmp_path)).encode("ab") == [6, 2, 7]


def test_folder_of_a_small_vocabulary_equals_the_reference(tmp_path: Path) -> None:
    merges = learned_merges(200)
    vocab = vocabulary(merges, byte_symbols())
    lines = "\n".join(["#version: 0.2", *(f"{left} {right}" for left, right in merges), ""])
    write(tmp_path, vocab, lines)
    pair = Pair.__new__(Pair)
    pair.ours = Tokenizer.from_folder(tmp_path)
    pair.reference = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    pair.check([*TEXTS, *CORPUS.splitlines()])


@pytest.mark.parametrize(
    ("vocab", "merges", "message"),
    [
        ([], "", "must hold one JSON object"),
        ({**VOCAB, "c": "5"}, "", "token 'c' has the id 5: ids are whole numbers"),
        ({**VOCAB, "c": True}, "", "token 'c' has the id True"),
        ({**VOCAB, "c": -1}, "", "token 'c' has the id -1"),
        ({**VOCAB, "c": 2**31}, "", "token 'c' has the id 2147483648"),
        ({**VOCAB, "c": 1.0}, "", "token 'c' has the id 1.0"),
        ({**VOCAB, "c": 0}, "", "tokens 'a' and 'c' share the id 0"),
        ({"a": 0, END: 1}, "", r"no token '<\|startoftext\|>'"),
        ({"a": 0, BEGIN: 1}, "", r"no token '<\|endoftext\|>'"),
        ({}, "", "no token"),
        (VOCAB, "a b</w>\na\n", r"merges.txt, line 2: 'a' is not two tokens"),
        (VOCAB, "a  b</w>\n", "line 1: 'a  b</w>' is not two tokens"),
        (VOCAB, "a b c\n", "line 1"),
        (VOCAB, "a b</w>\na z\n", r"merge 2 \('a' and 'z'\) needs the token 'z'"),
        (VOCAB, "# a\n", r"merge 1 \('#' and 'a'\) needs the token '#a'"),
        (VOCAB, b"a b\xff\n", r"merges.txt is not UTF-8 text \(byte 3\)"),
    ],
)
def test_broken_folder(tmp_path: Path, vocab: object, merges: str | bytes, message: str) -> None:
    with pytest.raises(TokenizerError, match=message) as caught:
        Tokenizer.from_folder(write(tmp_path, vocab, merges))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"vocab.json is not valid JSON \(line 1, column 1"),
        ('{"a": 0,\n "b" 1}', r"line 2, column 6"),
        ('{"a": 0, "a": 1}', "the token 'a' is there twice"),
        ("[" * 100_000, "vocab.json"),
        ('{"a": ' + "9" * 5000 + "}", "vocab.json"),
    ],
)
def test_broken_vocabulary_file(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, VOCAB, "")
    (tmp_path / "vocab.json").write_text(text, encoding="utf-8")
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_folder(tmp_path)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    write(tmp_path, VOCAB, "")
    (tmp_path / name).unlink()
    with pytest.raises(TokenizerError, match=f"{name} is missing"):
        Tokenizer.from_folder(tmp_path)
    (tmp_path / name).mkdir()
    with pytest.raises(TokenizerError, match=f"{name} cannot be read"):
        Tokenizer.from_folder(tmp_path)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"vocab.json is missing"):
        Tokenizer.from_folder(tmp_path / "nowhere")


def test_errors_are_value_errors() -> None:
    assert issubclass(TokenizerError, CLIPSegError)
    assert issubclass(CLIPSegError, ValueError)
