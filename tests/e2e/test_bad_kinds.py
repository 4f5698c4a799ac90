"""Every field of every kind: what is no value of it is refused by the API server, with the field's name."""

import pytest
import yaml

from tests.harness.kubernetes import ROOT
from tests.harness.waiting import wait_until

KINDS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "charts" / "slicelet-hub" / "crds").glob("*.yaml"))}
OF_ANOTHER_TYPE = {"string": 7, "integer": "seven", "number": "seven", "boolean": "maybe", "array": "one", "object": "one"}


def fields(schema, path=()):
    """(path, schema) of every field below; 0 is an element of a list, "key" one of a map."""
    for name, below in schema.get("properties", {}).items():
        yield (*path, name), below
        yield from fields(below, (*path, name))
    for step, below in ((0, schema.get("items")), ("key", schema.get("additionalProperties"))):
        if isinstance(below, dict):
            yield (*path, step), below
            yield from fields(below, (*path, step))


def shown(path):
    """As the API server writes it."""
    return "".join(f"[{step}]" if step == 0 else f".{step}" for step in path)[1:]


def holding(path, value):
    """The smallest structure that has the value there."""
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


def bad_values(schema):
    """(what it is, value)."""
    kind = schema.get("type")
    if kind in OF_ANOTHER_TYPE:
        yield "of another type", OF_ANOTHER_TYPE[kind]
    if kind == "string":
        yield "too long", "a" * max(10_000, schema.get("maxLength", 0) + 1)
        if "enum" in schema or "pattern" in schema:
            yield "not one of its words", "\x00 no such"
    if "minimum" in schema:
        yield "below its range", schema["minimum"] - 1
    if "maximum" in schema:
        yield "above its range", schema["maximum"] + 1
    if "maxItems" in schema:
        yield "too many", [OF_ANOTHER_TYPE["array"]] * (schema["maxItems"] + 1)
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        yield "with an unknown field", {"shiny": True}


def definition(plural):
    version, = KINDS[plural]["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


CASES = [pytest.param(plural, ("spec", *path), value, id=f"{plural}-{shown(('spec', *path))}-{what.replace(' ', '-')}")
         for plural in KINDS for path, schema in [((), definition(plural)), *fields(definition(plural))]
         for what, value in bad_values(schema)]


@pytest.mark.parametrize("plural, path, value", CASES)
def test_a_bad_value_is_refused_by_its_name(edge, plural, path, value):
    names = KINDS[plural]["spec"]
    bad = {"apiVersion": f"{names['group']}/v1alpha1", "kind": names["names"]["kind"], "metadata": {"name": "bad"},
           **holding(path, value)}
    status, message = wait_until("the API server answers", lambda: edge.plane.reader.refusal(plural, "default", bad))
    assert status in (400, 422), (status, message)
    named = (*path, "shiny") if value == {"shiny": True} else path
    assert shown(named) in message, message
