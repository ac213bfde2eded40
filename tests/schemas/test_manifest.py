"""Validating manifests."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import load_schema, validate_golden, validate_manifest

GOOD = {
    "format": 1,
    "name": "Wetlands",
    "created_by": {"name": "dlpk", "version": "0.1.0"},
    "precision": "fp16",
    "weights": {
        "source": "CIDAS/clipseg-rd64-refined",
        "revision": "0" * 40,
        "kind": "hub",
        "files": {"model.safetensors": "a" * 64},
        "note": "more is allowed",
    },
    "licences": [
        {"part": "code", "licence": "Apache-2.0", "source": "LICENSE", "note": None},
        {"part": "weights", "licence": "unclear", "source": None, "note": "contradictory"},
    ],
    "files": {
        "Wetlands.emd": {"sha256": "b" * 64, "size": 0},
        "clipseg/network.py": {"sha256": "c" * 64, "size": 12},
    },
}


def changed(path, value):
    manifest = copy.deepcopy(GOOD)
    target = manifest
    for key in path[:-1]:
        target = target[key]
    if value is None:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return manifest


def test_a_good_manifest_is_silent():
    assert list(validate_manifest(json.dumps(GOOD))) == []
    assert list(validate_manifest(json.dumps(GOOD, indent=1).encode())) == []


@pytest.mark.parametrize("key", load_schema("manifest")["required"])
def test_each_required_key_is_missed(key):
    report = validate_manifest(json.dumps(changed([key], None)))
    assert [finding.rule for finding in report] == ["manifest/missing-key"]
    assert f'"{key}"' in report.findings[0].message


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (["format"], 2, "manifest/wrong-value"),
        (["format"], "1", "manifest/wrong-value"),
        (["name"], "", "manifest/wrong-value"),
        (["precision"], "fp8", "manifest/wrong-value"),
        (["weights"], "somewhere", "manifest/wrong-type"),
        (["weights", "files"], {"a": "not a hash at all"}, "manifest/wrong-value"),
        (["licences"], [], "manifest/wrong-value"),
        (["licences", 0, "licence"], None, "manifest/missing-key"),
        (["files"], {}, "manifest/wrong-value"),
        (["files", "Wetlands.emd", "sha256"], "B" * 64, "manifest/wrong-value"),
        (["files", "Wetlands.emd", "size"], -1, "manifest/wrong-value"),
        (["files", "Wetlands.emd", "size"], 1.5, "manifest/wrong-type"),
        (["files", "../x"], {"sha256": "b" * 64, "size": 1}, "manifest/unsafe-path"),
        (["files", "/x"], {"sha256": "b" * 64, "size": 1}, "manifest/unsafe-path"),
        (["files", "a\\x"], {"sha256": "b" * 64, "size": 1}, "manifest/unsafe-path"),
        (["files", "c:x"], {"sha256": "b" * 64, "size": 1}, "manifest/unsafe-path"),
        (["files", ""], {"sha256": "b" * 64, "size": 1}, "manifest/unsafe-path"),
        (["files", "manifest.json"], {"sha256": "b" * 64, "size": 1}, "manifest/lists-itself"),
        (["files", "WETLANDS.emd"], {"sha256": "b" * 64, "size": 1}, "manifest/case-collision"),
    ],
)
def test_wrong_values_are_found_with_their_place(path, value, rule):
    text = json.dumps(changed(path, value), indent=2)
    (finding,) = validate_manifest(text)
    assert finding.rule == rule
    assert finding.file == "manifest.json"
    assert 1 <= finding.line <= text.count("\n") + 1


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"{",
        b"[" * 100_000,
        json.dumps(GOOD).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
        json.dumps({**GOOD, "name": "é"}, ensure_ascii=False).encode("cp1252"),
        json.dumps(GOOD).replace("0.1.0", "\\ud800"),
        json.dumps(GOOD)[:-1] + ', "x": NaN}',
        json.dumps(GOOD)[:-1] + ",}",
    ],
)
def test_what_is_not_plain_json_is_refused(source):
    report = validate_manifest(source)
    assert {finding.rule for finding in report.errors} >= {"manifest/not-json"}


def test_duplicate_keys_are_refused():
    text = json.dumps(GOOD)[:-1] + ', "name": "Other"}'
    assert [finding.rule for finding in validate_manifest(text)] == ["manifest/duplicate-key"]


@pytest.mark.parametrize("source", ["[]", "1", '"x"', "null"])
def test_a_manifest_is_an_object(source):
    assert "manifest/wrong-type" in {finding.rule for finding in validate_manifest(source)}


@given(st.binary(max_size=200))
def test_any_bytes_give_a_report(data):
    assert not validate_manifest(data).ok


@given(
    st.sampled_from(sorted(GOOD)),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=6,
    ),
)
def test_any_value_under_a_key_gives_a_report(key, value):
    report = validate_manifest(json.dumps({**GOOD, key: value}))
    report.to_text().encode("utf-8")


GOLDEN = load_schema("golden")["examples"]


@pytest.mark.parametrize("golden", GOLDEN)
def test_good_golden_chips_are_silent(golden):
    assert list(validate_golden(json.dumps(golden))) == []


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("inputs", "../inputs.npy", "golden/wrong-value"),
        ("arguments", {"threshold": [0.5]}, "golden/wrong-type"),
        ("expected", 1, "golden/wrong-type"),
        ("expected", None, "golden/missing-key"),
        ("tolerance", -1, "golden/wrong-value"),
        ("arguments", None, "golden/missing-key"),
    ],
)
def test_wrong_golden_chips_are_found(key, value, rule):
    golden = {k: v for k, v in {**GOLDEN[0], key: value}.items() if v is not None}
    report = validate_golden(json.dumps(golden))
    assert {finding.rule for finding in report} == {rule}
    assert report.findings[0].file == "golden/golden.json"
