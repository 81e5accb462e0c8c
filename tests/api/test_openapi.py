"""The OpenAPI document tells what works, and its page needs nothing from outside."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def document() -> dict[str, Any]:
    found: dict[str, Any] = Client().get("/api/v1/openapi.json").json()
    return found


def test_no_call_that_others_rely_on_is_gone(document: dict[str, Any]) -> None:
    calls = {(method, path) for path, methods in document["paths"].items() for method in methods}
    promised = {
        ("post", "/api/v1/runs"),
        ("get", "/api/v1/runs"),
        ("get", "/api/v1/runs/{run_id}"),
        ("get", "/api/v1/runs/{run_id}/output"),
        ("get", "/api/v1/runs/{run_id}/steps"),
        ("get", "/api/v1/runs/{run_id}/steps/{seq}"),
        ("get", "/api/v1/runs/{run_id}/checkpoints"),
        ("get", "/api/v1/runs/{run_id}/checkpoints/{seq}"),
        ("get", "/api/v1/runs/{run_id}/diff"),
        ("get", "/api/v1/runs/{run_id}/diff/files"),
        ("get", "/api/v1/runs/{run_id}/files"),
        ("get", "/api/v1/runs/{run_id}/files/{path}"),
        ("get", "/api/v1/runs/{run_id}/verify"),
        ("post", "/api/v1/runs/{run_id}/steps/{seq}/resolve"),
        ("get", "/api/v1/runs/{run_id}/branches"),
        ("post", "/api/v1/runs/{run_id}/fork"),
        ("post", "/api/v1/runs/{run_id}/fork/preview"),
        ("post", "/api/v1/runs/{run_id}/rewind"),
        ("post", "/api/v1/runs/{run_id}/rewind/preview"),
        *(
            ("post", f"/api/v1/runs/{{run_id}}/{verb}")
            for verb in ("pause", "resume", "cancel", "recall", "kill", "retry", "migrate")
        ),
        ("post", "/api/v1/runs/batch"),
        ("get", "/api/v1/runs/{run_id}/children"),
        ("get", "/api/v1/batches"),
        ("get", "/api/v1/batches/{batch_id}"),
        ("get", "/api/v1/runs/{run_id}/stream"),
        ("get", "/api/v1/runs/{run_id}/callbacks"),
        ("post", "/api/v1/runs/{run_id}/callbacks/{callback_id}/send"),
        ("get", "/api/v1/callbacks/secret"),
        ("post", "/api/v1/callbacks/secret"),
        ("post", "/api/v1/events"),
        ("get", "/api/v1/events"),
        ("post", "/api/v1/runs/{run_id}/signals/{name}"),
        ("get", "/api/v1/runs/{run_id}/waits"),
        ("post", "/api/v1/runs/{run_id}/steps/{seq}/answer"),
        ("post", "/api/v1/runs/{run_id}/wake"),
        ("post", "/api/v1/runs/{run_id}/cancel-wait"),
        ("get", "/api/v1/sources"),
        ("post", "/api/v1/sources"),
        *((method, "/api/v1/sources/{slug}") for method in ("get", "patch", "delete")),
        ("post", "/api/v1/sources/{slug}/secret"),
        ("get", "/api/v1/triggers"),
        ("post", "/api/v1/triggers"),
        ("post", "/api/v1/triggers/preview"),
        *((method, "/api/v1/triggers/{trigger_id}") for method in ("get", "patch", "delete")),
        ("get", "/api/v1/triggers/{trigger_id}/starts"),
        ("get", "/api/v1/schedules"),
        ("post", "/api/v1/schedules"),
        ("post", "/api/v1/schedules/preview"),
        *((method, "/api/v1/schedules/{schedule_id}") for method in ("get", "patch", "delete")),
        ("post", "/api/v1/schedules/{schedule_id}/fire"),
        ("get", "/api/v1/schedules/{schedule_id}/fires"),
        ("get", "/api/v1/bulk"),
        ("post", "/api/v1/bulk"),
        ("post", "/api/v1/bulk/preview"),
        ("get", "/api/v1/bulk/{job_id}"),
        ("get", "/api/v1/bulk/{job_id}/results"),
        ("post", "/api/v1/bulk/{job_id}/stop"),
        *(
            (method, f"/api/v1/policies/{kind}")
            for method in ("get", "post")
            for kind in ("escalations", "calendars")
        ),
        *(("post", f"/api/v1/policies/{kind}/preview") for kind in ("escalations", "calendars")),
        *((method, "/api/v1/policies/escalations/{policy_id}") for method in ("get", "patch", "delete")),
        *((method, "/api/v1/policies/calendars/{calendar_id}") for method in ("get", "patch", "delete")),
        *((method, "/api/v1/policies/approval-rules") for method in ("get", "post")),
        ("post", "/api/v1/policies/approval-rules/preview"),
        *((method, "/api/v1/policies/approval-rules/{rule_id}") for method in ("get", "patch", "delete")),
        ("get", "/api/v1/approvals"),
        ("get", "/api/v1/approvals/{request_id}"),
        ("post", "/api/v1/approvals/decide"),
        *(
            ("post", f"/api/v1/approvals/{{request_id}}/{verb}")
            for verb in ("decide", "recall", "clock", "claim", "release", "delegate", "comment")
        ),
        ("get", "/api/v1/audit"),
        ("get", "/api/v1/audit/verify"),
        ("get", "/api/v1/agents"),
        ("get", "/api/v1/agents/{slug}"),
        *(("post", f"/api/v1/agents/{{slug}}/{verb}") for verb in ("pause", "resume")),
        *((method, "/api/v1/policies/budgets") for method in ("get", "post")),
        ("post", "/api/v1/policies/budgets/preview"),
        *((method, "/api/v1/policies/budgets/{budget_id}") for method in ("get", "patch", "delete")),
        ("get", "/api/v1/runs/{run_id}/budget"),
        ("post", "/api/v1/runs/{run_id}/budget/raise"),
        ("get", "/api/v1/costs"),
        ("get", "/api/v1/stuck"),
        ("get", "/api/v1/stuck/{fingerprint}"),
        ("patch", "/api/v1/stuck/{fingerprint}"),
        ("post", "/api/v1/stuck/{fingerprint}/remedies"),
        *(("post", f"/api/v1/runs/{{run_id}}/{what}") for what in ("wanted", "notes")),
        *((method, "/api/v1/agents/{slug}/watch") for method in ("get", "put")),
        ("get", "/api/v1/agents/{slug}/odds"),
        *((method, "/api/v1/policies/retention") for method in ("get", "post")),
        *((method, "/api/v1/policies/retention/{retention_id}") for method in ("get", "patch", "delete")),
        ("post", "/api/v1/policies/retention/preview"),
        ("get", "/api/v1/policies/retention/due"),
        *((method, "/api/v1/policies/retention/works") for method in ("get", "post")),
        ("post", "/api/v1/policies/retention/works/{work_id}/stop"),
        *((method, "/api/v1/runs/{run_id}/holds") for method in ("get", "post")),
        ("delete", "/api/v1/runs/{run_id}/holds/{kind}"),
        *((method, "/api/v1/runs/{run_id}/archive") for method in ("get", "post")),
        ("get", "/api/v1/runs/{run_id}/archive/file"),
        ("post", "/api/v1/runs/{run_id}/restore"),
        ("get", "/api/v1/storage"),
        ("get", "/api/v1/limits"),
        *((method, "/api/v1/limits/{scope}/{name}") for method in ("get", "put", "delete")),
        ("get", "/api/v1/team"),
        *(("post", f"/api/v1/team/{verb}") for verb in ("pause", "resume")),
        ("post", "/api/v1/memory/search"),
        *((method, "/api/v1/memory/{space}/{key}") for method in ("get", "put", "delete")),
        ("get", "/api/v1/memory/{space}/{key}/history"),
    }
    assert promised - calls == set()


def test_no_call_stands_in_the_way_of_another_of_its_address(document: dict[str, Any]) -> None:
    hidden = [
        (method, path)
        for path, methods in document["paths"].items()
        for method in methods
        if Client().generic(method.upper(), re.sub(r"{[^}]*}", _sample, path)).status_code == 405
    ]
    assert hidden == []


def _sample(parameter: re.Match[str]) -> str:
    """Return a value that the address takes for a parameter."""
    name = parameter[0][1:-1]
    if name.endswith("_id") and name != "batch_id":
        return "00000000-0000-7000-8000-000000000000"
    return "1" if name in {"seq", "number"} else "x"


def test_members_that_do_not_work_yet_are_not_offered(document: dict[str, Any]) -> None:
    offered = document["components"]["schemas"]["StartRunIn"]["properties"]
    assert "agent" in offered
    assert "parent" not in offered


def test_every_call_says_how_errors_look_and_who_may_call(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert operation["security"]
            assert operation["summary"]


def test_every_call_stands_in_the_reference(document: dict[str, Any]) -> None:
    text = (Path(__file__).parents[2] / "docs/reference/api.md").read_text(encoding="utf-8")
    calls = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    assert [call for call in calls if f"| `{call[0]} {call[1].removeprefix('/api/v1')}" not in text] == []


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in re.findall(r"#/components/schemas/(\w+)", str(document)):
        assert name in schemas


def test_its_page_loads_nothing_from_outside_and_holds_no_script() -> None:
    answer = Client().get("/api/v1/docs")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert not re.search(r'(src|href)="(https?:)?//', page)
    scripts = re.findall(r"<script([^>]*)>", page)
    assert all("src=" in script or 'type="application/json"' in script for script in scripts)
    assert "script-src 'self'" in answer["Content-Security-Policy"]
