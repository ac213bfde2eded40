"""The packaged tokenizer against the one of transformers: texts, surrogates, batches."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_extension.clipseg.files.tokenizer import BEGIN, END, Tokenizer
from model_extension.common.errors import TokenizerError
from tests.support.tokenizer_pairs import MAKERS, Pair, learned_pair, real_pair
from tests.support.tokenizer_texts import TEXTS, generated

tokenizers = pytest.importorskip("tokenizers")


@pytest.fixture(scope="module", params=MAKERS)
def pair(request: pytest.FixtureRequest) -> Pair:
    return MAKERS[request.param]()


@pytest.fixture(scope="module")
def small() -> Pair:
    return learned_pair()


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
    monkeypatch.setattr("model_extension.clipseg.files.tokenizer._CACHED_WORDS", 10)
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
