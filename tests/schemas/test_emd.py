"""Validating model definitions: the interface, the messages, and hostile input."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import Severity, load_schema, parse_emd, validate_emd
from schemas.findings import EXAMPLES_PER_RULE
from schemas.suggest import nearest

GOOD = {
    "ModelType": "ImageClassification",
    "InferenceFunction": "Wetlands.py",
    "ModelFile": "wetlands.pth",
    "ImageHeight": 256,
    "ImageWidth": 256,
    "ExtractBands": [0, 1, 2],
    "Classes": [{"Value": 1, "Name": "Reed", "Color": [0, 92, 230]}],
}
PACKAGE = load_schema("emd-package")["examples"][0]


def findings(source, **options):
    source = source if isinstance(source, (str, bytes)) else json.dumps(source, indent=2)
    return {finding.rule: finding for finding in validate_emd(source, **options)}


# --- interface -------------------------------------------------------------------------------


def test_a_good_definition_is_silent_as_text_and_as_bytes():
    text = json.dumps(GOOD)
    assert list(validate_emd(text)) == list(validate_emd(text.encode())) == []


def test_findings_carry_file_pointer_and_place():
    text = json.dumps({**GOOD, "Threshold": 40}, indent=2)
    (finding,) = validate_emd(text, file="Wet.emd")
    assert (finding.file, finding.pointer) == ("Wet.emd", "/Threshold")
    line = text.splitlines()[finding.line - 1]
    assert line[finding.column - 1 :] == "40"


def test_all_findings_come_at_once_in_the_order_of_the_file():
    broken = {**GOOD, "Padding": 200, "ModelType": "Detection", "DataRange": [1, 1]}
    report = validate_emd(json.dumps(broken, indent=1))
    assert [finding.rule for finding in report] == [
        "emd/model-type-unknown",
        "emd/padding",
        "emd/data-range",
    ]


def test_parse_returns_the_definition_and_what_is_odd_about_its_text():
    emd, report = parse_emd('{"a": 1, "a": NaN}', file="x.emd")
    assert emd is not None
    assert emd["a"] != emd["a"]
    assert [finding.rule for finding in report] == ["emd/duplicate-key", "emd/not-finite"]
    assert report.ok


@pytest.mark.parametrize("source", ["", "[]", "{", '{"a": 1,}', b"\x00", "1", "null", "[" * 500])
def test_parse_returns_none_for_what_is_no_definition(source):
    emd, report = parse_emd(source)
    assert emd is None
    assert report.errors


def test_a_byte_order_mark_does_not_hide_the_definition():
    emd, report = parse_emd(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert emd == GOOD
    assert [finding.rule for finding in report] == ["emd/byte-order-mark"]


def test_text_given_as_a_string_has_no_encoding_to_complain_about():
    assert (
        list(validate_emd(json.dumps({**GOOD, "ModelName": "Röhricht"}, ensure_ascii=False))) == []
    )


def test_the_strict_profile_is_silent_about_its_own_example_and_strict_about_others():
    assert list(validate_emd(json.dumps(PACKAGE), profile="package")) == []
    report = validate_emd(json.dumps(GOOD), profile="package")
    assert [finding.message for finding in report.errors] == [
        'the file lacks the key "DataRange" (Range of the input)',
        'the file lacks the key "CLIPSeg" (Settings of CLIPSeg)',
    ]


def test_one_mistake_in_a_list_or_under_two_schemas_is_told_once():
    package = {**PACKAGE, "ModelType": 1, "ExtractBands": [0, 0, 0.5]}
    report = validate_emd(json.dumps(package), profile="package")
    assert [(finding.pointer, finding.message) for finding in report] == [
        ("/ModelType", 'ModelType is 1, but must be "ImageClassification"'),
        ("/ExtractBands/2", "ExtractBands[2] is 0.5, but must be a whole number"),
    ]


# --- messages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ImageHeight": [256]},
            "ImageHeight is a list, but must be a whole number, text in double quotes or null",
        ),
        ({"ImageHeight": -1, "ImageWidth": -1}, "is -1, but must be greater than 0"),
        ({"Classes": {"1": "a"}}, "Classes is an object, but must be a list or null"),
        ({"Classes": ["a"]}, 'Classes[0] is "a", but must be an object'),
        ({"ExtractBands": [[0]]}, "ExtractBands[0] is a list, but must be a whole number or text"),
    ],
)
def test_schema_errors_are_told_in_plain_words(change, message):
    (error, *_others) = validate_emd(json.dumps({**GOOD, **change})).errors
    assert message in error.message
    assert "schema" not in error.message
    assert error.remedy


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"ModelType": "ObjectionDetection"}, 'Write "ObjectDetection".'),
        ({"ModelType": "IMAGECLASSIFICATION"}, 'Write "ImageClassification".'),
        ({"ModelType": "Semantic Segmentation"}, 'Write "ImageClassification".'),
        ({"InferenceFunction": "SegFormer.forward"}, 'Write the file, "SegFormer.py";'),
        ({"ModelFile": ".\\a\\b.pth"}, 'Write "a/b.pth" if'),
        ({"SupportsVariableTileSize": "False"}, "Write false without quotes."),
    ],
)
def test_remedies_name_the_right_text(change, remedy):
    texts = [finding.remedy for finding in validate_emd(json.dumps({**GOOD, **change}))]
    assert any(text.startswith(remedy) for text in texts), texts


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("inferenceFunction", "InferenceFunction"),
        ("inference_function", "InferenceFunction"),
        ("INFERENCEFUNCTION", "InferenceFunction"),
        ("Inference Function", "InferenceFunction"),
    ],
)
def test_keys_in_other_cases_are_recognised(key, right):
    emd = {key if name == right else name: value for name, value in GOOD.items()}
    finding = findings(emd)["emd/key-case"]
    assert finding.severity is Severity.WARNING
    assert f'"{right}"' in finding.remedy


@pytest.mark.parametrize("key", ["threshold", "padding", "version", "ModelFiles", "ImageType"])
def test_keys_of_functions_are_not_taken_for_misspelt_ones(key):
    assert not {"emd/key-case", "emd/key-misspelt"} & set(findings({**GOOD, key: 1}))


@pytest.mark.parametrize(
    "kind",
    ["ObjectDetection3D", "MyImageClassification", "ImageCaption", "InstanceDetector", "Foo", ""],
)
def test_unknown_model_types_are_warned_about_never_refused(kind):
    report = validate_emd(json.dumps({**GOOD, "ModelType": kind}))
    assert [finding.rule for finding in report] == ["emd/model-type-unknown"]
    assert report.ok


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        ("a.pth", set()),
        ("./a.pth", set()),
        ("a/../b.pth", set()),
        ("..", {"emd/path-outside"}),
        ("a/../../b.pth", {"emd/path-outside"}),
        ("..\\b.pth", {"emd/path-outside", "emd/path-backslash"}),
        ("/b.pth", {"emd/path-absolute"}),
        ("d:b.pth", {"emd/path-absolute"}),
        ("file:///b.pth", {"emd/path-absolute"}),
        ("[Functions]a\\b.py", set()),
        ("a\x00b", {"emd/path-control-character"}),
    ],
)
def test_paths(path, rules):
    assert set(findings({**GOOD, "ModelFile": path})) == rules


def test_paths_in_lists_and_configurations_are_looked_at():
    emd = {
        **GOOD,
        "ModelFiles": ["a.pt", "/b.pt"],
        "ModelConfiguration": {"Name": "X", "Architecture": "../net"},
    }
    assert {finding.pointer for finding in validate_emd(json.dumps(emd))} == {
        "/ModelFiles/1",
        "/ModelConfiguration/Architecture",
    }


def test_background_at_zero_is_no_surprise():
    classes = [{"Value": 0, "Name": "Background", "Color": [0, 0, 0]}, *GOOD["Classes"]]
    assert findings({**GOOD, "Classes": classes}) == {}


def test_many_findings_of_one_rule_are_counted_not_listed():
    classes = [{"Value": i, "Name": f"c{i}"} for i in range(1, 1001)]
    report = validate_emd(json.dumps({**GOOD, "Classes": classes}))
    assert len(report) == EXAMPLES_PER_RULE + 1
    assert report.findings[-1].message == f"{1000 - EXAMPLES_PER_RULE} more places break this rule"


def test_nearest_takes_the_closest_word():
    assert nearest("Padding", ("Padded", "Paddings", "Sudden")) == "Paddings"
    assert nearest("Padding", ("Sudden",)) is None
    assert nearest("a" * 100_000, ("a" * 99_999,)) is None


# --- hostile input ---------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**320), 10**320)
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=12)
    | st.sampled_from(["ImageClassification", "X.py", "..\\x", "C:\\x", "256", "MAP_SPACE", "N/A"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Value", "Name", "Color", "x", "spatialReference", "value"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
KNOWN = sorted({*load_schema("emd")["properties"], *load_schema("emd-package")["properties"]})
OWN = sorted(load_schema("emd-package")["$defs"]["CLIPSeg"]["properties"])
DEFINITIONS = st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=12), ANYTHING, max_size=8)
PACKAGES = st.fixed_dictionaries(
    {"CLIPSeg": st.dictionaries(st.sampled_from(OWN), ANYTHING, max_size=5)}
)


def check(source, profile="general"):
    """Whatever comes in: a report that can be printed and written, with places in the text."""
    report = validate_emd(source, file="F.emd", profile=profile)
    report.to_text().encode("utf-8")
    json.loads(json.dumps(report.to_dict()))
    for finding in report:
        assert finding.line is None or (finding.line >= 1 and finding.column >= 1)
    emd, text_report = parse_emd(source)
    assert emd is None or isinstance(emd, dict)
    assert (emd is None) <= (not text_report.ok)
    return report


@given(st.binary(max_size=300))
def test_any_bytes_give_a_report(data):
    check(data)


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_gives_a_report(text):
    check(text)


@given(DEFINITIONS)
@settings(max_examples=300)
def test_any_values_under_the_known_keys_give_a_report(definition):
    check(json.dumps(definition))


@given(PACKAGES)
def test_any_settings_of_a_package_give_a_report(definition):
    check(json.dumps({**PACKAGE, **definition}), profile="package")


@given(st.data())
def test_a_damaged_file_gives_a_report(data):
    source = bytearray(json.dumps(PACKAGE, indent=1).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(source) - 1))
        source[index] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(source)))
    check(bytes(source[:end]), profile="package")


@pytest.mark.parametrize(
    "source",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"Classes":' + b"[" * 99 + b"]" * 99 + b"}",
        b'{"MinCellSize": {"spatialReference": ' + b"[" * 97 + b"]" * 97 + b"},"
        b'"MaxCellSize": {"spatialReference": ' + b"[" * 97 + b"]" * 97 + b"}}",
        b"[" + b"1," * 100_000 + b"1]",
        b"9" * 1_000_000,
        b'{"ImageHeight": ' + b"9" * 1_000_000 + b"}",
        b'{"ImageHeight": 1e999, "ImageWidth": -1e999, "DataRange": [NaN, Infinity]}',
        b'{"Classes": [{"Value": 1e300}, {"Value": NaN}, {"Value": 1e999, "Color": [NaN, 1, 2]}]}',
        b'"' + b"\\u" * 100_000,
        b"\\" * 100_000,
        b"\x00" * 100_000,
        b"\xff" * 100_000,
        b"," * 100_000,
        b"/*" * 100_000,
        b'{"' + b"a" * 1_000_000 + b'": 1}',
        b"\xef\xbb\xbf" * 1000,
        b'{"a": "\\ud800\\udc00\\udc00"}',
        b'{"\\ud800": {"\\udfff": [NaN]}}',
    ],
    ids=range(19),
)
@pytest.mark.parametrize("profile", ["general", "package"])
def test_hostile_texts_give_a_report(source, profile):
    assert len(check(source, profile).to_text()) < 100_000


@given(st.text(alphabet=string.printable, max_size=20))
def test_any_name_of_a_class_is_shown_on_one_line(name):
    emd = {**GOOD, "Classes": [{"Value": 1, "Name": name, "Color": [1, 2]}]}
    text = validate_emd(json.dumps(emd)).to_text()
    assert all(
        line.startswith(("<input>:", "    ")) or line[0].isdigit() for line in text.split("\n")
    )
