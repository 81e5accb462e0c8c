"""`manage.py bootstrap_demo`: a way into a fresh installation, and again into an old one."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from agentops.accounts.credentials import secret_hash
from agentops.accounts.models import ApiToken, Membership, Team, User
from agentops.accounts.roles import Scope
from agentops.accounts.services.use_sign_in_link import use_sign_in_link
from runs.models import Agent, AgentVersion, Run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _demo_site(settings: Any) -> None:
    settings.DEMO_SITE_URL = "http://127.0.0.1:9/"


def bootstrap(*options: str) -> dict[str, str]:
    printed = io.StringIO()
    call_command("bootstrap_demo", *options, stdout=printed)
    [line] = printed.getvalue().splitlines()
    document: dict[str, str] = json.loads(line)
    return document


def test_the_first_start_makes_team_admin_agents_and_one_run() -> None:
    bootstrap()
    user = User.objects.get()

    assert (Team.objects.get().slug, user.username, user.email) == ("demo", "demo", "demo@example.com")
    assert not user.has_usable_password()
    assert Membership.objects.get().role == "admin"
    assert Agent.objects.filter(slug="site-research").count() == 1
    run = Run.objects.get()
    assert (run.agent.slug, run.title, run.status) == ("site-research", "Research of the demo site", "queued")


def test_the_link_signs_the_admin_in_once() -> None:
    path = bootstrap()["login_url_path"]
    secret = path.removeprefix("/sign-in/")

    assert use_sign_in_link(secret=secret) == User.objects.get()
    assert use_sign_in_link(secret=secret) is None


def test_the_token_may_do_everything_in_the_demo_team() -> None:
    secret = bootstrap()["token"]
    token = ApiToken.objects.get(secret_hash=secret_hash(secret))

    assert secret.startswith("ao_")
    assert (token.team.slug, set(token.scopes)) == ("demo", {scope.value for scope in Scope})


def test_a_second_start_makes_nothing_twice_and_ends_the_first_ones_token() -> None:
    first, second = bootstrap(), bootstrap()
    counts = [model.objects.count() for model in (Team, User, Membership, Run)]

    assert counts == [1, 1, 1, 1]
    assert AgentVersion.objects.filter(agent__slug="site-research").count() == 1
    [working] = ApiToken.objects.filter(revoked_at__isnull=True)
    assert bytes(working.secret_hash) == secret_hash(second["token"])
    assert first["token"] != second["token"]


def test_a_token_that_somebody_else_made_goes_on_working() -> None:
    bootstrap()
    ApiToken.objects.update(name="mine")
    bootstrap()

    assert ApiToken.objects.get(name="mine").revoked_at is None


def test_bare_leaves_the_demo_run_out() -> None:
    assert bootstrap("--bare")["token"]
    assert not Run.objects.exists()


def test_without_a_demo_site_there_is_no_run_that_could_only_fail(settings: Any) -> None:
    settings.DEMO_SITE_URL = ""
    bootstrap()

    assert not Run.objects.exists()


def test_the_whole_address_is_printed_where_it_is_known() -> None:
    printed = bootstrap("--base-url", "http://127.0.0.1:8000/")

    assert printed["login_url"] == f"http://127.0.0.1:8000{printed['login_url_path']}"
