"""OpenAPI for bodies that are decoded by hand: schema, media types and executable examples."""

from dataclasses import dataclass
from typing import Any, cast

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

from evitals.service.problems import MEDIA_TYPE, Problem


def accepts(bodies: dict[str, OpenAPIMediaType], description: str) -> type[Operation]:
    """An operation class whose request body is one of ``bodies`` (by media type)."""

    @dataclass
    class Documented(Operation):
        def __post_init__(self) -> None:
            self.request_body = RequestBody(content=bodies, description=description, required=True)

    return Documented


def json_body(kind: Any, **examples: Any) -> OpenAPIMediaType:
    """A JSON body of the msgspec type ``kind``."""
    return OpenAPIMediaType(schema=schema_of(kind), examples=_examples(examples))


def text_body(description: str, **examples: str) -> OpenAPIMediaType:
    """A body of text (CSV, NDJSON)."""
    schema = Schema(type=cast("Any", "string"), description=description)
    return OpenAPIMediaType(schema=schema, examples=_examples(examples))


def binary_body(description: str) -> OpenAPIMediaType:
    """A body of bytes (Parquet, Arrow)."""
    return OpenAPIMediaType(
        schema=Schema(
            type=cast("Any", "string"),
            description=description,
            content_media_type="application/octet-stream",
        )
    )


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The refusals of an endpoint, as problem details."""
    return {
        status: ResponseSpec(
            Problem,
            description=PROBLEMS[status],
            media_type=cast("Any", MEDIA_TYPE),
            generate_examples=False,
        )
        for status in statuses
    }


def replies(kind: Any, description: str, media_type: str = "application/json") -> ResponseSpec:
    """A reply of the msgspec type ``kind``."""
    return ResponseSpec(
        kind,
        description=description,
        media_type=cast("Any", media_type),
        generate_examples=False,
    )


PROBLEMS = {
    400: "The body or request is malformed",
    404: "Nothing has this name",
    413: "The body is larger than allowed",
    415: "The Content-Type is not accepted",
    422: "A value is refused: `field`, `value`, `reason` and `remedy` say why",
    503: "The store's queue is full or a part is not ready: try again after Retry-After",
}


def schema_of(kind: Any) -> Schema:
    """The JSON schema of a msgspec type with every reference replaced by what it names."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template="{name}")
    return cast("Schema", _inline(schema, components))


def _inline(node: Any, components: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _inline(components[node["$ref"]], components)
        return {key: _inline(value, components) for key, value in node.items()}
    if isinstance(node, list):
        return [_inline(value, components) for value in node]
    return node


def _examples(examples: dict[str, Any]) -> dict[str, Example | Reference] | None:
    made: dict[str, Example | Reference] = {
        name: Example(summary=name, value=value) for name, value in examples.items()
    }
    return made or None
