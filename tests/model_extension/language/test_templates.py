"""Sentences that prompts are put into."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from model_extension.clipseg.language.templates import (
    AERIAL,
    PAPER,
    TEMPLATES,
    choose_templates,
    fill,
)
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.common.errors import ArgumentError
from tests.support.random_package import write_package
from tests.support.segmenting import concept_embeddings


@pytest.mark.parametrize(
    ("value", "sentences"),
    [
        ("none", ("{}",)),
        (" Photo ", ("a photo of a {}.",)),
        ("PAPER", PAPER),
        ("aerial", AERIAL),
        ("{}", ("{}",)),
        (" an old map of {} ", ("an old map of {}",)),
        ("{} {x} {{", ("{} {x} {{",)),
        ("old {} | {} map", ("old {}", "{} map")),
    ],
)
def test_choice(value: str, sentences: tuple[str, ...]) -> None:
    assert choose_templates(value) == sentences


@pytest.mark.parametrize(
    "value",
    [
        "",
        "photos",
        "a photo of a",
        "{} and {}",
        "{0}",
        "{}" + "x" * 199,
        "a {}|b",
        "|".join(["{}"] * 101),
    ],
)
def test_wrong_choices(value: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        choose_templates(value)
    assert "it must be one of none, photo, paper, aerial, or a sentence with {}" in str(
        caught.value
    )
    assert len(str(caught.value)) < 250


def test_the_sets() -> None:
    assert len(PAPER) == 9 and "{}." in PAPER
    for name, sentences in TEMPLATES.items():
        assert len(set(sentences)) == len(sentences)
        assert all(choose_templates(sentence) == (sentence,) for sentence in sentences), name


@given(st.text())
def test_prompts_with_braces(prompt: str) -> None:
    assert fill("a photo of a {}.", prompt) == "a photo of a " + prompt + "."
    assert fill("{}", prompt) == prompt


def test_any_text_in_a_sentence_is_left_alone() -> None:
    assert fill("{} {x}", "{}{0}%s{{") == "{}{0}%s{{ {x}"


# --- with a text tower -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    definition = write_package(tmp_path_factory.mktemp("templates") / "package")
    return Segmenter(definition, torch.device("cpu"), warn=pytest.fail)


def test_the_embedding_is_the_mean_over_the_sentences(segmenter: Segmenter) -> None:
    embedder = segmenter.embedder
    found = embedder.texts(["lake", "a {} b"], AERIAL)
    for row, prompt in zip(found, ("lake", "a {} b")):
        each = [embedder.texts([fill(sentence, prompt)])[0] for sentence in AERIAL]
        assert torch.allclose(row, torch.stack(each).mean(0), atol=1e-5)
        assert not torch.allclose(row, each[0], atol=1e-3)


def test_the_embedding_is_the_mean_over_the_phrasings(segmenter: Segmenter) -> None:
    embedder = segmenter.embedder
    concepts = [Concept(("pond", "lake", "reservoir")), Concept(("lake",))]
    for templates in (("{}",), ("old {}", "{} x")):
        found = concept_embeddings(embedder, concepts, templates)
        each = embedder.texts(["pond", "lake", "reservoir"], templates)
        assert torch.allclose(found[0], each.mean(0), atol=1e-5)
        assert torch.allclose(found[1], each[1], atol=1e-5)


def test_every_sentence_is_embedded_once(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    embed = CLIPSeg.embed_text

    def count(network: CLIPSeg, tokens: torch.Tensor) -> torch.Tensor:
        rows.append(len(tokens))
        return embed(network, tokens)

    monkeypatch.setattr(CLIPSeg, "embed_text", count)
    segmenter.look_for([Concept(("a", "b")), Concept(("b",)), Concept(("c",))], templates=PAPER)
    assert sum(rows) == 3 * len(PAPER)
    rows.clear()
    segmenter.look_for([Concept((str(number),)) for number in range(150)])
    assert sum(rows) == 150 and max(rows) <= 64


def test_a_long_prompt_is_reported_once_for_all_sentences(tmp_path: Path) -> None:
    told: list[str] = []
    definition = write_package(tmp_path / "package")
    segmenter = Segmenter(definition, torch.device("cpu"), warn=told.append)
    segmenter.look_for([Concept(("x" * 100,)), Concept(("short",))], templates=PAPER)
    assert len(told) == 1
    assert "tokens and the model reads 77" in told[0]


def test_sentences_have_no_effect_on_a_frozen_vocabulary(tmp_path: Path) -> None:
    told: list[str] = []
    definition = write_package(tmp_path / "package", frozen=True)
    segmenter = Segmenter(definition, torch.device("cpu"), warn=told.append)
    plain = concept_embeddings(segmenter.embedder, [Concept(("Roof", "trees"))])
    assert told == []
    vocabulary = segmenter.embedder._vocabulary()
    assert torch.equal(plain[0], (vocabulary[2] + vocabulary[1]) / 2)
    assert torch.equal(
        concept_embeddings(segmenter.embedder, [Concept(("Roof", "trees"))], AERIAL), plain
    )
    assert told == [
        "prompt_template has no effect: the prompts of this package were embedded when it was built"
    ]
