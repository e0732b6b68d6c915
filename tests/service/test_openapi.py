"""The OpenAPI document: complete, bounded, documented, and every example of it runs."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from litestar.testing import TestClient

from evitals.battery import builtin, dump_vehicle
from evitals.estimators.capacity_test import SERIOUS
from evitals.service.app import create_app
from evitals.service.routes.vehicles import description_example
from evitals.settings import Settings

ROOT = Path(__file__).parents[2]
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    with TestClient(create_app(settings, watch=False)) as client:
        # The examples speak of this vehicle.
        reply = client.put("/v1/vehicles/van-7", json=description_example())
        assert reply.status_code == 200
        quarantined(settings.home)
        yield client


def quarantined(home: Path) -> None:
    """An empty file in quarantine, which the example of a retry takes again."""
    home.joinpath("quarantine").mkdir(parents=True)
    home.joinpath(".claimed").mkdir()
    home.joinpath("quarantine", "empty.csv").touch()
    reason = json.dumps({"digest": hashlib.sha256(b"").hexdigest(), "options": {}})
    home.joinpath("quarantine", "empty.csv.reason.json").write_text(reason)


@pytest.fixture(scope="module")
def schema(client: TestClient[Any]) -> dict[str, Any]:
    reply = client.get("/schema/openapi.json")
    assert reply.status_code == 200
    return dict(reply.json())


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def first_example(parameter: dict[str, Any]) -> Any:
    examples = list(parameter.get("examples", {}).values())
    return examples[0]["value"] if examples else None


def bodies(operation: dict[str, Any]) -> list[tuple[str | None, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    found = [
        (kind, example["value"])
        for kind, media in content.items()
        for example in media.get("examples", {}).values()
    ]
    return found or [(None, None)]


def filled(path: str, given: dict[str, Any]) -> str:
    """The path with its placeholders replaced by ``given``."""
    return PLACEHOLDER.sub(lambda placeholder: quote(str(given[placeholder[1]])), path)


def test_every_example_runs(client: TestClient[Any], schema: dict[str, Any]) -> None:
    ran = 0
    for path, method, operation in operations(schema):
        parameters = operation.get("parameters", [])
        given = {p["name"]: first_example(p) for p in parameters}
        url = filled(path, given)
        query = {p["name"]: given[p["name"]] for p in parameters if p["in"] == "query"}
        query = {name: value for name, value in query.items() if value is not None}
        for kind, body in bodies(operation):
            sent: dict[str, Any] = {"params": query}
            if kind == "application/json":
                sent["json"] = body
            elif kind is not None:
                sent |= {"content": body, "headers": {"content-type": kind}}
            reply = client.request(method.upper(), url, **sent)
            where = f"{method} {url} {kind}: {reply.text[:500]}"
            assert 200 <= reply.status_code < 300, where
            assert str(reply.status_code) in operation["responses"], where
            ran += 1
    assert ran >= 15


def test_query_parameters_without_an_example_have_a_default(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                assert first_example(parameter), f"{method} {path} {parameter['name']}"
            else:
                assert not parameter.get("required"), f"{method} {path} {parameter['name']}"


def test_every_operation_says_what_it_does_and_how_it_refuses(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        assert operation["summary"], path
        assert operation["description"], path
        if method in ("post", "put"):
            assert "requestBody" in operation, path
            assert {"400", "413", "415", "422"} <= set(operation["responses"]), path


def numbers(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("type") in ("number", "integer"):
            yield path, node
        for key, value in node.items():
            if key != "examples":
                yield from numbers(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from numbers(value, f"{path}/{index}")


def test_every_number_that_comes_in_is_bounded(schema: dict[str, Any]) -> None:
    checked = 0
    for path, method, operation in operations(schema):
        comes_in = {
            "body": operation.get("requestBody", {}),
            "parameters": operation.get("parameters", []),
        }
        for where, number in numbers(comes_in):
            if "/default" in where:
                continue
            assert {"minimum", "exclusiveMinimum"} & set(number), f"{method} {path} {where}"
            checked += 1
    assert checked > 20


def test_every_endpoint_is_documented(schema: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for path, method, _ in operations(schema):
        assert f"`{method.upper()} {path}`" in text, f"docs/api.md lacks {method.upper()} {path}"


def test_documented_endpoints_exist(schema: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    known = {f"{method.upper()} {path}" for path, method, _ in operations(schema)}
    named = re.findall(r"^## `([A-Z]+ /\S*)`", text, re.MULTILINE)
    assert set(named) == known


def test_every_reason_of_predict_is_documented() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    informing = {"full_discharge_assumed", "ignored_fields", "dod_matches_reference"}
    of_power = {"rated_power_missing", "chemistry_assumed", "capacity_unknown"}
    refusing = {"wrong_level", "no_current", "missing"}
    for reason in SERIOUS | informing | of_power | refusing:
        assert f"`{reason}`" in text, f"docs/api.md does not explain {reason}"


def test_description_example_is_a_vehicle() -> None:
    described = dump_vehicle(builtin()["bmw-i3-60ah"])
    assert description_example()["battery"]["level"] == described["battery"]["level"] == "pack"


EXAMPLE = re.compile(r"```http\n(?P<request>.*?)\n```\n+```json\n(?P<reply>.*?)\n```", re.DOTALL)


def test_documented_examples_run_and_answer_as_printed(client: TestClient[Any]) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    found = list(EXAMPLE.finditer(text))
    assert len(found) >= 3
    for match in found:
        head, _, body = match["request"].partition("\n\n")
        method, url = head.splitlines()[0].split()
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
        reply = client.request(method, url, content=body or None, headers=headers)
        printed = json.loads(match["reply"])
        assert_shows(reply.json(), printed, f"{method} {url}")


def assert_shows(answer: Any, printed: Any, where: str) -> None:
    """Everything printed is in the answer; numbers to the digits printed (4 significant)."""
    if isinstance(printed, dict):
        for key, value in printed.items():
            assert key in answer, f"{where}: {key} not in {answer}"
            assert_shows(answer[key], value, f"{where}.{key}")
    elif isinstance(printed, list):
        assert len(answer) == len(printed), where
        for index, value in enumerate(printed):
            assert_shows(answer[index], value, f"{where}[{index}]")
    elif isinstance(printed, float):
        assert answer == pytest.approx(printed, rel=1e-3), where
    else:
        assert answer == printed, where
