# SPDX-License-Identifier: Apache-2.0
"""The API's page for people: its OpenAPI document, read aloud in our own look, without anybody's script."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from duaarah.web.api.urls import api

JSON = "application/json"


@cache
def _operations() -> list[dict[str, Any]]:
    """One dictionary an operation: method, path, summary, text, parameters, body and answers with their fields."""
    document: dict[str, Any] = api.get_openapi_schema(path_prefix="/api/v1/")
    schemas = document.get("components", {}).get("schemas", {})
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema")
            found.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "tag": ", ".join(operation.get("tags", ["channels"])),
                    "summary": operation.get("summary", ""),
                    "text": operation.get("description", ""),
                    "parameters": [(p["name"], _kind(p["schema"])) for p in operation.get("parameters", [])],
                    "body": _fields(body, schemas),
                    "example": _example(method, path, body, schemas),
                    "answers": [
                        (status, _fields(a.get("content", {}).get(JSON, {}).get("schema"), schemas))
                        for status, a in operation["responses"].items()
                    ],
                }
            )
    return found


def _resolve(schema: dict[str, Any] | None, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = schema or {}
    if schema.get("type") == "array":
        schema = schema.get("items", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    resolved: dict[str, Any] = schemas.get(name, schema)
    return resolved


def _fields(schema: dict[str, Any] | None, schemas: dict[str, Any]) -> list[tuple[str, str, bool, str]]:
    """(name, kind, required, text) of each property."""
    resolved = _resolve(schema, schemas)
    required = resolved.get("required", [])
    return [
        (name, _kind(field), name in required, field.get("description", ""))
        for name, field in resolved.get("properties", {}).items()
    ]


def _kind(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " | ".join(_kind(one) for one in field["anyOf"])
    words = [str(field.get("format") or field.get("type", "object"))]
    words += [f"{name} {field[key]}" for name, key in (("≤", "maxLength"), ("≤", "maximum")) if key in field]
    return " ".join(words)


_VALUES = {"nominal_idr": "50000", "reference": '"order-1"'}


def _example(method: str, path: str, body: dict[str, Any] | None, schemas: dict[str, Any]) -> str:
    lines = [f"curl -X {method.upper()} https://HOST{path.replace('{drn}', '01234567890')}"]
    if "notifications" in path:
        lines += ["-H 'X-Duaarah-Channel: ...'", "-H 'X-Duaarah-Timestamp: ...'", "-H 'X-Duaarah-Signature: ...'"]
    else:
        lines.append("-H 'Authorization: Bearer da_...'")
    if body is not None:
        content = ", ".join(f'"{name}": {_VALUES.get(name, "...")}' for name, *_ in _fields(body, schemas))
        lines.append(f"-H 'Content-Type: application/json' -d '{{{content}}}'")
    return " \\\n  ".join(lines)


def documentation(request: HttpRequest) -> HttpResponse:
    """Every operation with its fields, its answers and one call to try."""
    return render(request, "api/documentation.html", {"operations": _operations()})
