# SPDX-License-Identifier: Apache-2.0
"""The API's page for people: its OpenAPI document, read aloud in our own look, without anybody's script."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from duaarah.web.api.problems import CONTENT_TYPE
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
                        (status, _fields(_schema(a), schemas), a["description"] if _refuses(a) else "")
                        for status, a in sorted(operation["responses"].items(), key=lambda item: int(item[0]))
                    ],
                }
            )
    return found


def _schema(answer: dict[str, Any]) -> dict[str, Any] | None:
    """The fields of an answer; those of a refusal are the same everywhere and stand at the top of the page."""
    schema: dict[str, Any] | None = answer.get("content", {}).get(JSON, {}).get("schema")
    return schema


def _refuses(answer: dict[str, Any]) -> bool:
    return CONTENT_TYPE in answer.get("content", {})


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


_VALUES = {
    "nominal_idr": "50000",
    "reference": '"order-1"',
    "message_id": '"shop-7.000123"',
    "class": "0",
    "subclass": "0",
    "amount": '"25.6"',
    "energy_wh": "10000",
    "replaces": '"shop-7.000122"',
    "reason": '"the meter refused it"',
    "token": '"..."',
    "drn": '"01234567897"',
    "register": '"pln-2014"',
    "ea": '"07"',
    "ti": '"01"',
}
# Of a body whose fields exclude each other, those of one call that works.
_SHOWN = {
    "issue": ("message_id", "class", "subclass", "drn", "amount"),
    "decode": ("drn", "token"),
    "confirm": ("drn",),
    "trial": ("drn", "nominal_idr"),
    "vend": ("message_id", "drn", "nominal_idr"),
    "free-issue": ("message_id", "drn", "energy_wh", "reason"),
    "replacement": ("message_id", "replaces", "reason"),
}
_QUERIES = {
    "/api/v1/vending/reprint": "?message_id=shop-7.000123",
    "/api/v1/vending/statement": "?from=2026-02-01&to=2026-02-28",
}


def _example(method: str, path: str, body: dict[str, Any] | None, schemas: dict[str, Any]) -> str:
    verb = path.rpartition("/sts/")[2] if "/sts/" in path else ""
    vends = "/vending/" in path
    address = path.replace("{drn}", "01234567890").replace("{message_id}", "shop-7.000123") + _QUERIES.get(path, "")
    host = "http://127.0.0.1:8000" if verb or vends else "https://HOST"
    lines = [
        f"curl -X {method.upper()} '{host}{address}'" if "?" in address else f"curl -X {method.upper()} {host}{address}"
    ]
    if "notifications" in path:
        lines += ["-H 'X-Duaarah-Channel: ...'", "-H 'X-Duaarah-Timestamp: ...'", "-H 'X-Duaarah-Signature: ...'"]
    else:
        lines.append(f"-H 'Authorization: Bearer {'do' if verb else 'dv' if vends else 'da'}_...'")
    if body is not None:
        known = _SHOWN.get(path.rpartition("/vending/")[2] if vends else verb.partition("/")[0])
        names = known or [name for name, *_ in _fields(body, schemas)]
        content = "{" + ", ".join(f'"{name}": {_VALUES.get(name, "...")}' for name in names) + "}"
        content = f"[{content}]" if body.get("type") == "array" else content
        lines.append(f"-H 'Content-Type: application/json' -d '{content}'")
    return " \\\n  ".join(lines)


def documentation(request: HttpRequest) -> HttpResponse:
    """Every operation with its fields, its answers and one call to try."""
    return render(request, "api/documentation.html", {"operations": _operations()})
