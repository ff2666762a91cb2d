"""The OpenAPI document of the interface for other programs."""

from __future__ import annotations

import importlib.metadata
from typing import Any

FORM: dict[str, dict[str, Any]] = {
    "image": {
        "type": "string",
        "format": "binary",
        "description": "The photograph: JPEG, PNG, BMP, WebP, TIFF or AVIF.",
    },
    "mask": {
        "type": "string",
        "format": "binary",
        "description": "White where the photograph is missing, of its upright size.",
    },
    "model": {"type": "string", "description": "A name of /api/v1/models; the first by default."},
    "blend": {"type": "boolean", "default": False, "description": "Poisson blending."},
    "detail": {
        "type": "boolean",
        "description": "Add the detail of similar places; the model's own choice by default.",
    },
    "invert_mask": {
        "type": "boolean",
        "default": False,
        "description": "Take what is dark in the mask as missing.",
    },
    "grow": {
        "type": "integer",
        "minimum": 0,
        "maximum": 4096,
        "default": 0,
        "description": "Pixels by which what is missing is made wider.",
    },
}


def openapi() -> dict[str, Any]:
    """Return the document, of JSON types."""
    errors = {
        "400": "An input cannot be used; the line says why.",
        "401": "The token is missing.",
        "403": "The Host or Origin is not that of this server.",
        "413": "The request is too large.",
        "429": "Too many fills of this client wait.",
        "507": "The machine has too little memory or disk space.",
    }
    failures = {code: _answer(text, "#/components/schemas/Error") for code, text in errors.items()}
    filled = {"description": "The filled photograph, in the format of the given one."}
    filled["headers"] = {  # type: ignore[assignment]
        "X-Note": {
            "schema": {"type": "string"},
            "description": "Percent-encoded: what of the file could not be kept.",
        }
    }
    filled["content"] = {  # type: ignore[assignment]
        "image/*": {"schema": {"type": "string", "format": "binary"}}
    }
    form = {"type": "object", "required": ["image", "mask"], "properties": FORM}
    fill = {
        "summary": "Fill a photograph where its mask is white",
        "operationId": "fill",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": {"200": filled, **failures},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "inpaint-tf studio",
            "version": importlib.metadata.version("inpaint-tf"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/api/v1/fill": {"post": fill},
            "/api/v1/models": _get("models", "The models that can be asked for", "Models"),
            "/health": _get("health", "Whether the server answers", "Status"),
            "/ready": _get("ready", "Whether the default model is loaded", "Status", "503"),
        },
        "components": {
            "schemas": {
                "Error": _object(error={"type": "string"}),
                "Status": _object(status={"type": "string"}),
                "Models": _object(models={"type": "array", "items": {"type": "object"}}),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _get(name: str, summary: str, schema: str, *others: str) -> dict[str, Any]:
    answers = {
        code: _answer(summary, f"#/components/schemas/{schema}") for code in ("200", *others)
    }
    return {"get": {"summary": summary, "operationId": name, "responses": answers}}


def _answer(text: str, schema: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": {"$ref": schema}}}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}
