"""The part of JSON Schema that docs/records uses, checked in a page of code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).parents[2] / "docs" / "records"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def load(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((RECORDS / f"{name}.schema.json").read_text())
    return schema


def faults(value: Any, schema: dict[str, Any], at: str = "$") -> list[str]:
    """What is wrong with a value; empty when it fits. An unknown keyword in a schema is an error of the schema."""
    known = {"$comment", "title", "type", "required", "properties", "enum", "items", "pattern", "oneOf"}
    assert set(schema) <= known, set(schema) - known
    if "oneOf" in schema:
        fitting = sum(not faults(value, one, at) for one in schema["oneOf"])
        return [] if fitting == 1 else [f"{at} fits {fitting} forms"]
    found = []
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    is_bool = isinstance(value, bool)
    if kinds and not any(isinstance(value, _TYPES[k]) and (not is_bool or k == "boolean") for k in kinds):
        return [f"{at} is no {' or '.join(kinds)}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at} is {value!r}")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{at} does not fit its pattern")
    if isinstance(value, dict):
        found += [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                found += faults(value[name], inner, f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            found += faults(item, schema["items"], f"{at}[{number}]")
    return found
