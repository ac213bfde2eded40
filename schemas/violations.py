"""What breaks a JSON Schema, said in words that help the author of the file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .collector import Collector, child, quoted
from .suggest import nearest

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

SCHEMAS: dict[str, str] = {
    "emd": "emd.schema.json",
    "emd-package": "emd-package.schema.json",
    "manifest": "manifest.schema.json",
    "golden": "golden.schema.json",
}
"""Names of the schemas and their files."""

_KINDS = {
    "string": "text in double quotes",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "an object",
    "boolean": "true or false",
    "null": "null",
}

_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "greater than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
}

_COUNTS = {
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minProperties": "at least {} keys",
}


def load_schema(name: str) -> dict[str, Any]:
    """Return one of the project's JSON Schemas.

    Parameters
    ----------
    name : {"emd", "emd-package", "manifest", "golden"}
        Which one.

    Returns
    -------
    dict
        A copy of its own for the caller.
    """
    path = Path(__file__).with_name(SCHEMAS[name])
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def report_violations(instance: Any, name: str, prefix: str, collector: Collector) -> None:
    """Note everything in which a value breaks a schema.

    Parameters
    ----------
    instance : Any
        The value of the whole file.
    name : str
        The schema.
    prefix : str
        First part of the rule ids, such as ``emd``.
    collector : Collector
        Takes the findings; the values they are about are settled afterwards.
    """
    seen: dict[str, tuple[str, str, str]] = {}
    for error in _validator(name).iter_errors(instance):
        for kind, message, remedy, subject in _explain(error):
            # The strict profile comes after the general schema it is built on, so the last word on
            # a value is the more precise one.
            seen[subject] = kind, message, remedy
    for subject, (kind, message, remedy) in seen.items():
        pointer = subject.rpartition("/")[0] if kind == "missing-key" else subject
        collector.add(f"{prefix}/{kind}", message, remedy, pointer, subject=subject)
    for subject in seen:
        collector.settle(subject)
        holder, _, token = subject.rpartition("/")
        if token.isdigit():
            # An item that is wrong makes its list wrong; once is enough.
            collector.settle(holder)


@cache
def _validator(name: str) -> Draft202012Validator:
    # Imported here: a program that prints its help should not wait for it.
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    schemas = {key: load_schema(key) for key in SCHEMAS}
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator(schemas[name], registry=registry)


def _explain(error: Any) -> Iterable[tuple[str, str, str, str]]:
    """Yield kind, message, remedy and the JSON pointer of the subject."""
    pointer = child("", *error.absolute_path)
    where = _where(list(error.absolute_path))
    validator, limit, value = str(error.validator), error.validator_value, error.instance
    schema: Any = error.schema
    if validator == "required":
        for key in limit:
            if key not in value:
                yield _missing(pointer, where, key, schema)
    elif validator == "anyOf" and error.context:
        yield from _explain_choice(error, pointer, where)
    elif validator == "type":
        kinds = [limit] if isinstance(limit, str) else list(limit)
        yield "wrong-type", _kind_message(where, value, kinds), _advice(schema), pointer
    else:
        message = _value_message(where, value, validator, limit)
        yield "wrong-value", message, _advice(schema, value, validator, limit), pointer


def _explain_choice(error: Any, pointer: str, where: str) -> Iterable[tuple[str, str, str, str]]:
    """Explain the alternative that the value comes closest to."""
    branches: dict[Any, list[Any]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    kinds: list[str] = []
    for errors in branches.values():
        outer = [e for e in errors if e.validator == "type" and not e.relative_path]
        if not outer:
            for inner in errors:
                yield from _explain(inner)
            return
        limit = outer[0].validator_value
        kinds.extend([limit] if isinstance(limit, str) else limit)
    schema: Any = error.schema
    yield "wrong-type", _kind_message(where, error.instance, kinds), _advice(schema), pointer


def _missing(pointer: str, where: str, key: str, schema: Any) -> tuple[str, str, str, str]:
    about = schema.get("properties", {}).get(key, {}) if isinstance(schema, dict) else {}
    title = f" ({about['title']})" if "title" in about else ""
    example = f" for example {_pair(key, about['examples'][0])}" if about.get("examples") else ""
    return (
        "missing-key",
        f'{where} lacks the key "{key}"{title}',
        f"Add it,{example}." if example else "Add it.",
        child(pointer, key),
    )


def _kind_message(where: str, value: Any, kinds: list[str]) -> str:
    words = list(dict.fromkeys(_KINDS.get(kind, kind) for kind in kinds))
    if "a number" in words and "a whole number" in words:
        words.remove("a number" if kinds[0] == "integer" else "a whole number")
    wanted = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return f"{where} is {quoted(value)}, but must be {wanted}"


def _value_message(where: str, value: Any, validator: str, limit: Any) -> str:
    if validator in _LIMITS:
        return f"{where} is {quoted(value)}, but must be {_LIMITS[validator].format(limit)}"
    if validator in _COUNTS:
        size = f"{where} has {len(value)}"
        return f"{size}, but must have {_COUNTS[validator].format(limit)}"
    if validator == "const":
        return f"{where} is {quoted(value)}, but must be {quoted(limit)}"
    if validator == "enum":
        choices = ", ".join(quoted(choice) for choice in limit)
        return f"{where} is {quoted(value)}, but must be one of {choices}"
    if validator == "pattern":
        return f"{where} is {quoted(value)}, which has not the form that is asked for"
    if validator == "uniqueItems":
        return f"{where} holds the same value twice"
    return f"{where} is {quoted(value)}, which is not allowed"


def _advice(schema: Any, value: Any = None, validator: str = "", limit: Any = None) -> str:
    if validator == "const":
        return f"Write {quoted(limit)}."
    if validator == "enum" and isinstance(value, str):
        words = tuple(choice for choice in limit if isinstance(choice, str))
        near = nearest(value.lower(), words, 0.75)
        if near is not None:
            return f'Write "{near}".'
    if validator == "uniqueItems":
        return "Remove the repetition."
    if isinstance(schema, dict) and schema.get("examples"):
        return f"Write for example {_example(schema['examples'][0])}."
    return "Correct the value, or remove the key if nothing needs it."


def _pair(key: str, example: Any) -> str:
    return f'"{key}": {_example(example)}'


def _example(example: Any) -> str:
    return json.dumps(example)


def _where(path: list[str | int]) -> str:
    """Return a path as an author would say it: ``Classes[2].Color``."""
    words = ""
    for token in path:
        if isinstance(token, int):
            words += f"[{token}]"
        else:
            words += ("." if words else "") + (token if len(token) <= 60 else token[:57] + "...")
    return words or "the file"
