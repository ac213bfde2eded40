"""The JSON Schemas themselves: valid, documented, self-contained, light to import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

import schemas

FOLDER = Path(schemas.__file__).parent
NAMES = sorted(schemas.SCHEMAS)


def every_schema(node, path="#"):
    """Yield every subschema with its path."""
    if not isinstance(node, dict):
        return
    yield path, node
    for key in ("properties", "$defs", "patternProperties"):
        for name, inner in node.get(key, {}).items():
            yield from every_schema(inner, f"{path}/{key}/{name}")
    for key in ("items", "additionalProperties", "if", "then", "else", "not"):
        yield from every_schema(node.get(key), f"{path}/{key}")
    for key in ("allOf", "anyOf", "oneOf"):
        for index, inner in enumerate(node.get(key, [])):
            yield from every_schema(inner, f"{path}/{key}/{index}")


def every_property(schema):
    for path, node in every_schema(schema):
        for name, inner in node.get("properties", {}).items():
            if "/allOf/" not in path and isinstance(inner, dict):
                yield f"{path}/{name}", inner


def validator(name):
    loaded = {key: schemas.load_schema(key) for key in NAMES}
    registry = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema)) for schema in loaded.values()]
    )
    return Draft202012Validator(loaded[name], registry=registry)


@pytest.mark.parametrize("name", NAMES)
def test_schema_follows_the_2020_12_metaschema(name):
    schema = schemas.load_schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:dlpk:schema:")
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", NAMES)
def test_every_property_is_documented(name):
    schema = schemas.load_schema(name)
    definitions = schema["$defs"]
    for path, node in every_property(schema):
        reference = node.get("$ref", "")
        if not node.get("title") and reference.startswith("#/$defs/"):
            node = definitions[reference.rpartition("/")[2]]
        elif "anyOf" in node and not node.get("title"):
            node = definitions[node["anyOf"][0]["$ref"].rpartition("/")[2]]
        assert node.get("title"), path
        assert node.get("description", "").endswith("."), path
    for definition in definitions.values():
        assert definition["title"]
        assert definition["description"].endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_every_subschema_satisfy_it(name):
    whole = validator(name)
    checked = 0
    for path, node in every_schema(whole.schema):
        for example in node.get("examples", []):
            errors = list(whole.evolve(schema=node).iter_errors(example))
            assert errors == [], (path, errors)
            checked += 1
    assert checked > 5


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_the_document_are_valid(name):
    whole = validator(name)
    assert whole.schema["examples"]
    for example in whole.schema["examples"]:
        whole.validate(example)


def test_examples_are_silent_under_the_rules_as_well():
    for example in schemas.load_schema("emd")["examples"]:
        assert schemas.validate_emd(json.dumps(example)).ok
    for example in schemas.load_schema("emd-package")["examples"]:
        report = schemas.validate_emd(json.dumps(example), profile="package")
        assert list(report) == []
    for example in schemas.load_schema("manifest")["examples"]:
        assert list(schemas.validate_manifest(json.dumps(example))) == []
    for example in schemas.load_schema("golden")["examples"]:
        assert list(schemas.validate_golden(json.dumps(example))) == []


def test_unknown_keys_are_allowed_in_every_object_of_the_general_schema():
    for path, node in every_schema(schemas.load_schema("emd")):
        if node.get("type") == "object":
            assert node.get("additionalProperties", True) is True, path
        assert "required" not in node, path


def test_schema_files_are_plain_utf8_with_a_final_newline():
    for name in NAMES:
        data = (FOLDER / schemas.SCHEMAS[name]).read_bytes()
        assert data.endswith(b"}\n")
        assert b"\r" not in data
        data.decode("ascii")


def test_load_schema_gives_each_caller_a_copy():
    schemas.load_schema("emd").clear()
    assert schemas.load_schema("emd")["title"]


def test_importing_is_light():
    code = (
        "import sys, schemas; "
        "heavy = {'jsonschema', 'referencing', 'torch', 'numpy', 'osgeo'} & set(sys.modules); "
        "print(sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=FOLDER.parent,
    )
    assert done.stdout.strip() == "[]"
