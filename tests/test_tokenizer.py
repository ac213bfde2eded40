"""The packaged tokenizer against the one of transformers."""

from __future__ import annotations

import json
import os
import random
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_extension.clipseg.errors import CLIPSegError, TokenizerError
from model_extension.clipseg.tokenizer import BEGIN, END, Tokenizer
from model_extension.clipseg.words import normalize, split_words

tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

FROZEN_WEIGHTS = os.environ.get("DLPK_FROZEN_WEIGHTS", "")
SCALARS = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
# Planes 4 to 13 hold nothing, 15 and 16 private characters without properties.
NAMED = [code for code in SCALARS if code < 0x40000 or 0xE0000 <= code < 0xE1000 or code > 0x10FF00]

CORPUS = """
A photo of a cat. A photograph of the solar panels on a roof; water, vegetation and bare ground.
It's the boat's 3rd harbour, isn't it? They're 12 lakes, I'm sure we'll find what you've seen.
The quick brown fox jumps over the lazy dog and runs into the forest near the water of the river.
Die Straße führt über den Fluß. Où est la forêt ? Ποταμός, θάλασσα και ουρανός. Река и лес.
水 田 太陽光 パネル 나무 강 🌳🌊 पानी जंगल water water water roof roof roof!!! ... ???
"""


def byte_symbols() -> list[str]:
    """List the 256 symbols as tokenizers names them, in no particular order."""
    return sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())


def vocabulary(merges: list[tuple[str, str]], symbols: list[str]) -> dict[str, int]:
    """Give ids to symbols, symbols at the end of a word, merged tokens and the special tokens."""
    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols)]
    tokens += [left + right for left, right in merges]
    return {token: id_ for id_, token in enumerate(dict.fromkeys([*tokens, BEGIN, END]))}


def learned_merges(count: int) -> list[tuple[str, str]]:
    """Learn merges from the corpus, the most frequent pair first."""
    level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words: list[list[str]] = []
    for word in split_words(normalize(CORPUS)):
        letters = list(level.pre_tokenize_str(word)[0][0])
        words.append([*letters[:-1], letters[-1] + "</w>"])
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs = Counter(pair for symbols in words for pair in zip(symbols, symbols[1:]))
        if not pairs:
            break
        left, right = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append((left, right))
        for symbols in words:
            for index in range(len(symbols) - 2, -1, -1):
                if symbols[index : index + 2] == [left, right]:
                    symbols[index : index + 2] = [left + right]
    return merges


def random_merges(count: int) -> list[tuple[str, str]]:
    """Make merges that no training would: in any order, several ways to one token."""
    source = random.Random(5)
    inner = list("abcd")
    last = [symbol + "</w>" for symbol in inner]
    merges: dict[tuple[str, str], None] = {}
    while len(merges) < count:
        left = source.choice(inner)
        right = source.choice(inner + last)
        if len(left + right) > 16:
            continue
        merges[left, right] = None
        (last if right.endswith("</w>") else inner).append(left + right)
    pairs = list(merges)
    source.shuffle(pairs)
    return pairs


class Pair:
    """A tokenizer of ours and the reference of the same vocabulary."""

    def __init__(self, vocab: dict[str, int], merges: list[tuple[str, str]]) -> None:
        self.ours = Tokenizer(vocab, merges)
        self.reference = transformers.CLIPTokenizer(
            vocab=dict(vocab), merges=list(merges), model_max_length=77
        )

    def check(self, texts: list[str]) -> None:
        expected = self.reference(texts, verbose=False)["input_ids"]
        for text, ids in zip(texts, expected):
            assert self.ours.encode(text) == ids, ascii(text)


def real_pair() -> Pair:
    if not FROZEN_WEIGHTS:
        pytest.skip("DLPK_FROZEN_WEIGHTS does not point at CLIP's vocabulary")
    pair = Pair.__new__(Pair)
    pair.ours = Tokenizer.from_folder(FROZEN_WEIGHTS)
    pair.reference = transformers.CLIPTokenizer.from_pretrained(FROZEN_WEIGHTS)
    return pair


def learned_pair() -> Pair:
    merges = learned_merges(400)
    return Pair(vocabulary(merges, byte_symbols()), merges)


def random_pair() -> Pair:
    merges = random_merges(300)
    return Pair(vocabulary(merges, byte_symbols()), merges)


def gappy_pair() -> Pair:
    """Make a vocabulary that lacks most bytes."""
    merges = random_merges(100)
    return Pair(vocabulary(merges, list("abcd'<|!")), merges)


MAKERS: dict[str, Callable[[], Pair]] = {
    "learned": learned_pair,
    "random": random_pair,
    "gappy": gappy_pair,
    "real": real_pair,
}


@pytest.fixture(scope="module", params=MAKERS)
def pair(request: pytest.FixtureRequest) -> Pair:
    return MAKERS[request.param]()


@pytest.fixture(scope="module")
def small() -> Pair:
    return learned_pair()


MARKS = [code for code in SCALARS if unicodedata.category(chr(code))[0] == "M"]
POOLS: list[Any] = [
    SCALARS,
    NAMED,
    range(0x250),
    [ord("a"), *MARKS],
    [ord(c) for c in "abcd"],
    [ord(c) for c in "sStTrReEvVmMlLdD'’ʼ \"!.,0123"],
    [ord(c) for c in "<|startofendx|> "],
    [*range(0x2000, 0x2070), 0, 9, 10, 11, 12, 13, 0x1C, 0x1D, 0x1E, 0x1F, 0x85, 0xA0, 0xAD],
    [0x130, 0x131, 0x49, 0x69, 0x307, 0x1E9E, 0xDF, 0x3A3, 0x3C3, 0x3C2, 0x41, 0x20, 0x212A],
    range(0x370, 0x600),
    range(0x900, 0xE00),
    range(0x1100, 0x1200),
    range(0x3040, 0xA000),
    range(0xAC00, 0xD7A4),
    range(0x10000, 0x20000),
    [0x1F468, 0x1F469, 0x1F467, 0x200D, 0xFE0F, 0x1F3FD, 0x2764, *range(0x1F1E6, 0x1F200)],
    [0xB2, 0xBD, 0x2167, 0x4E00, 0x661, 0x0BF0, 0x1D7D8, 0x31, 0x61],
]
LENGTHS = [0, 1, 2, 3, 5, 8, 20, 60, 200]


def generated(seed: int, count: int) -> list[str]:
    """Make texts of characters that mean trouble, each from one to three pools of them."""
    source = random.Random(seed)
    texts = []
    for _ in range(count):
        pools = source.sample(POOLS, source.choice([1, 1, 2, 3]))
        size = source.choice(LENGTHS)
        texts.append("".join(chr(source.choice(source.choice(pools))) for _ in range(size)))
    return texts


TEXTS = [
    "",
    " ",
    "a photo of a cat",
    "  A  Photo\tof\na\r\ncat  ",
    "isn't they're I'M we'LL 'S ''s 'street rock'n'roll 'ſ o'\u0301s",
    "<|endoftext|>",
    "x<|startoftext|>y<|endoftext|><|endoftext|> z",
    "<|ENDOFTEXT|> <|StartOfText|>! !<|EndOfText|> <|endoftext|\u0338>",
    "<|endoftext|>\u0301 <|endoftext| > <<|endoftext|>>",
    "12345 3.14 ½²Ⅷ ٣ 一二三",
    "Straße STRASSE ẞ ß İstanbul ISPARTA ıi ΣΑΣ ΟΔΟΣ Σ ς",
    "e\u0301 é q\u0307\u0323 q\u0323\u0307 가 각 \u212b \ufb01 ①",
    "👨‍👩‍👧 ❤️ 🇫🇷 🏽 水田 太陽光パネル 나무 पानी தமிழ்",
    "\0 a\0b \x1c \x1f \x85 \xa0 \u180e \u200b \u2028 \ufeff \u3000 \U0010ffff",
    "!!! ... ?!?! ---- ((( ))) #@$%^&*_+={}[]|\\~`",
    "a" * 300,
    "water " * 200,
]


def test_texts_with_traps(pair: Pair) -> None:
    pair.check(TEXTS)


def test_generated_texts(pair: Pair) -> None:
    pair.check(generated(seed=1, count=4000))


def test_texts_of_tokens(pair: Pair) -> None:
    # The tokens themselves, so that merges happen all over.
    source = random.Random(2)
    level = tokenizers.decoders.ByteLevel()
    vocab = list(pair.ours._vocab)
    words = [level.decode([t.replace("</w>", "Ġ")]) for t in source.choices(vocab, k=500)]
    pair.check(["".join(source.choices(words, k=source.randrange(20))) for _ in range(2000)])


def test_any_text(small: Pair) -> None:
    @settings(max_examples=300, deadline=None)
    @given(st.text() | st.text("<|startofendx>!' \u0301", max_size=40))
    def check(text: str) -> None:
        small.check([text])

    check()


@pytest.mark.parametrize("unit", ["a", "abcdabdc", "水", "!", "e\u0301\u0323", "a1!"])
def test_ten_thousand_characters_without_a_space(pair: Pair, unit: str) -> None:
    pair.check([unit * (10_000 // len(unit))])


def test_known_ids() -> None:
    encode = real_pair().ours.encode
    assert encode("a photo of a cat") == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert encode("") == [49406, 49407]
    assert real_pair().ours.size == 49408


def test_work_grows_with_length_and_not_its_square() -> None:
    class Counting(dict):  # type: ignore[type-arg]
        lookups = 0

        def get(self, *args: Any) -> Any:
            self.lookups += 1
            return super().get(*args)

    tokenizer = learned_pair().ours
    tokenizer._merges = merges = Counting(tokenizer._merges)
    tokenizer.encode("water" * 4000)
    assert 20_000 < merges.lookups < 100_000


def test_words_are_remembered_but_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_extension.clipseg.tokenizer._CACHED_WORDS", 10)
    tokenizer = learned_pair().ours
    first = tokenizer.encode("water and roof")
    for number in range(500):
        tokenizer.encode(chr(0x4E00 + number) + " " + "x" * (100 + number))
        assert len(tokenizer._words) <= 10
    assert not any(len(word) > 64 for word in tokenizer._words)
    assert tokenizer.encode("water and roof") == first


def test_what_is_returned_can_be_changed() -> None:
    tokenizer = learned_pair().ours
    ids = tokenizer.encode("water")
    expected = list(ids)
    ids.clear()
    assert tokenizer.encode("water") == expected


# Unicode: every character there is


def reference_normalizer() -> Any:
    parts = tokenizers.normalizers
    return parts.Sequence([parts.NFC(), parts.Lowercase()])


def test_lower_case_of_every_character() -> None:
    text = "\n".join(map(chr, SCALARS))
    ours = normalize(text).split("\n\n\n")
    theirs = reference_normalizer().normalize_str(text).split("\n\n\n")
    assert ours == theirs


@pytest.mark.parametrize(
    "template",
    ["a{}\u0334", "a\u0345{}", "a\u0323{}", "a{}\u0323\u0301", "{}\u0307\u0323", "\u1100{}\u11a8"],
)
def test_composition_of_every_character(template: str) -> None:
    before, after = template.split("{}")
    text = "\n".join(before + chr(code) + after for code in NAMED)
    ours = normalize(text).split("\n")
    theirs = reference_normalizer().normalize_str(text).split("\n")
    assert ours == theirs


def test_composition_of_every_decomposed_pair() -> None:
    pairs = [unicodedata.normalize("NFD", chr(code)) for code in NAMED]
    # Pairs that later versions of Unicode than Python's compose, and the reference does not.
    later = [
        *("\U000105d2\u0307", "\U000105da\u0307", "\U00011382\U000113c9", "\U0001138b\U000113c2"),
        *("\U000113c2\U000113b8", "\U00011935\U00011930", "\U0001611e\U0001611e"),
        *("\U00016121\U0001611f", "\U00016d63\U00016d67", "\U00016d69\U00016d67"),
    ]
    text = "\n".join(pairs + later)
    assert normalize(text) == reference_normalizer().normalize_str(text)


def test_kind_of_every_character() -> None:
    # A letter joins the a, a digit stands alone, other characters join the exclamation mark,
    # white space vanishes.
    text = "".join(f"a{chr(code)}!\n" for code in NAMED)
    pieces = tokenizers.pre_tokenizers.Split(
        tokenizers.Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True
    ).pre_tokenize_str(text)
    assert split_words(text) == [piece for piece, _ in pieces]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n", []),
        ("it's 'street", ["it", "'s", "'s", "treet"]),
        ("a12b", ["a", "1", "2", "b"]),
        ("!'s", ["!'", "s"]),
        ("<|endoftext|>!", ["<|", "endoftext", "|>", "!"]),
        ("a\x1cb", ["a", "\x1c", "b"]),
    ],
)
def test_split_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


# Surrogates


def test_surrogates_do_not_crash(small: Pair) -> None:
    encode = small.ours.encode
    assert encode("\ud83c\udf33") == encode("🌳")
    assert encode("a\ud800b") == encode("a\ufffdb")
    assert encode("\udc00\ud800") == encode("\ufffd\ufffd")
    assert encode("\ufeff\ud800") == encode("\ufeff\ufffd")


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None) | st.integers(0xD800, 0xDFFF).map(chr)))
def test_any_surrogates(text: str) -> None:
    ids = TINY.encode(text)
    assert ids[0] == TINY.begin_id
    assert ids[-1] == TINY.end_id


TINY = Tokenizer({"a": 0, "a</w>": 1, BEGIN: 2, END: 3}, [])


# Batches


def test_batch_equals_the_reference(pair: Pair) -> None:
    texts = [*TEXTS, *generated(seed=3, count=200)]
    for length in (77, 16, 3, 2):
        ids, lengths = pair.ours.batch(texts, length)
        expected = pair.reference(texts, padding=True, truncation=True, max_length=length)
        assert ids.dtype == np.int64
        assert ids.tolist() == expected["input_ids"]
        kept = [sum(mask) for mask in expected["attention_mask"]]
        assert [min(count, length) for count in lengths] == kept
        assert lengths == [len(pair.ours.encode(text)) for text in texts]


def test_batch_is_as_wide_as_its_longest_text(small: Pair) -> None:
    batch = small.ours.batch(["", "!"])
    assert batch.ids.shape == (2, 3)
    assert batch.lengths == [2, 3]
    assert batch.ids[0].tolist() == [small.ours.begin_id, small.ours.end_id, small.ours.end_id]


def test_truncation_shows_in_the_lengths(small: Pair) -> None:
    batch = small.ours.batch(["! " * 100, "! " * 75, "!"])
    assert batch.ids.shape == (3, 77)
    assert batch.lengths == [102, 77, 3]
    assert batch.ids[0, -1] == small.ours.end_id
    assert (batch.ids[0] == batch.ids[1]).all()


def test_batch_of_nothing(small: Pair) -> None:
    ids, lengths = small.ours.batch([])
    assert ids.shape == (0, 0)
    assert lengths == []


def test_batch_refuses_what_it_cannot_mean(small: Pair) -> None:
    with pytest.raises(TokenizerError, match="list of texts"):
        small.ours.batch("water")
    with pytest.raises(TokenizerError, match="2 positions"):
        small.ours.batch(["water"], 1)
    with pytest.raises(TokenizerError, match="not int"):
        small.ours.batch([3])  # type: ignore[list-item]


def test_encode_refuses_bytes(small: Pair) -> None:
    with pytest.raises(TokenizerError, match="must be a str, not bytes"):
        small.ours.encode(b"water")  # type: ignore[arg-type]


# Vocabularies


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


def test_other_special_tokens() -> None:
    vocab = {"a</w>": 0, "[": 1, "]": 2, "?": 3}
    tokenizer = Tokenizer(vocab, [], begin="[", end="]", unknown="?")
    assert tokenizer.encode("a b [a") == [1, 0, 3, 1, 0, 2]


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
