"""The figures for monitoring: true, without any team's content, and not for everybody."""

import pytest
from django.test import Client, override_settings

from tests.runs import a_run, a_worker

pytestmark = pytest.mark.django_db


def test_figures_of_runs_workers_and_clock(client: Client) -> None:
    a_worker(slots=8)
    a_run("test-steps", {"n": 1})
    a_run("test-steps", {"n": 1})
    body = client.get("/metrics").content.decode()
    assert 'agentops_runs{queue="default",status="queued"} 2.0' in body
    assert 'agentops_oldest_queued_seconds{queue="default"}' in body
    assert "agentops_workers 1.0" in body
    assert "agentops_worker_slots 8.0" in body
    assert "agentops_clock_age_seconds +Inf" in body


def test_others_need_the_token(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="10.0.0.7").status_code == 401
    assert client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.7"}).status_code == 401


@override_settings(METRICS_TOKEN="secret")
def test_with_a_token_set_even_this_host_needs_it(client: Client) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer secret"}).status_code == 200
