"""An admin says who is in the team, what they may do, and which keys work."""

import re
from typing import Any

import pytest
from django.test import Client

from agentops.accounts.models import ApiToken, Membership, SignInLink, Team, User
from agentops.accounts.roles import Role
from agentops.audit.models import Entry
from tests.ui import builders
from tests.ui.conftest import See
from tests.ui.reading import one, words

pytestmark = pytest.mark.django_db
PEOPLE, TOKENS = "/settings/people", "/settings/tokens"


def role_of(name: str) -> str:
    return Membership.objects.get(user__username=name).role


def link_in(answer: Any) -> str:
    [found] = set(re.findall(r"http://testserver(/sign-in/[\w-]+)", answer.content.decode()))
    return str(found)


def test_a_new_person_gets_a_link_that_is_shown_once_and_signs_them_in(ada: Client, see: See) -> None:
    answer = ada.post(PEOPLE, {"email": "grace@example.org", "name": "grace", "role": "reviewer"})
    assert "no-store" in answer.headers["Cache-Control"]
    grace = Client()
    assert grace.post(link_in(answer)).status_code == 302
    assert grace.get("/runs").status_code == 200
    assert role_of("grace") == "reviewer"
    assert "/sign-in/" not in str(see(PEOPLE))
    assert Entry.objects.filter(action="member.add").count() == 1


def test_somebody_with_an_account_becomes_a_member_and_nobody_gets_a_link_to_it(ada: Client) -> None:
    theirs = builders.a_person(builders.a_team("other"), "mary")
    answer = ada.post(PEOPLE, {"email": theirs.email.upper(), "role": "viewer"}, follow=True)
    assert "mary is a member now." in answer.content.decode()
    assert not SignInLink.objects.filter(user=theirs).exists()
    ada.post(f"{PEOPLE}/{theirs.pk}", {"verb": "link"})
    assert not SignInLink.objects.filter(user=theirs).exists()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"email": "nobody", "role": "viewer"}, "must be an e-mail address"),
        ({"email": "x@example.org", "role": "king"}, "must be one of viewer, operator, reviewer, admin"),
        ({"email": "x@example.org", "role": "viewer", "name": "ada"}, "somebody has this name already"),
        ({"email": "x@example.org", "role": "viewer", "name": "a\u202eb"}, "none of them invisible"),
        ({"email": "ada@example.org", "role": "viewer"}, "is a member of this team already"),
    ],
)
def test_what_does_not_fit_is_told_at_its_field_and_what_was_typed_stays(ada: Client, fields: dict[str, str], told: str) -> None:  # fmt: skip
    answer = ada.post(PEOPLE, fields)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert fields["email"] in answer.content.decode()
    assert User.objects.count() == 1


def test_a_role_is_changed_and_counts_at_once(ada: Client, browser_of: Any) -> None:
    viewer = browser_of(Role.VIEWER)
    person = User.objects.get(username="viewer")
    assert viewer.get("/runs/start").status_code == 403
    ada.post(f"{PEOPLE}/{person.pk}", {"verb": "role", "role": "operator"})
    assert viewer.get("/runs/start").status_code == 200


def test_the_last_admin_stays_admin_and_member(ada: Client) -> None:
    me = User.objects.get(username="ada")
    for fields in ({"verb": "role", "role": "viewer"}, {"verb": "remove"}):
        answer = ada.post(f"{PEOPLE}/{me.pk}", fields, follow=True)
        assert "only admin of this team" in answer.content.decode()
    assert role_of("ada") == "admin"


def test_who_is_removed_sees_nothing_any_more_and_their_tokens_stop(ada: Client, browser_of: Any) -> None:
    operator = browser_of(Role.OPERATOR)
    operator.post(TOKENS, {"name": "mine", "scopes": ["read"], "days": ""})
    person = User.objects.get(username="operator")
    ada.post(f"{PEOPLE}/{person.pk}", {"verb": "remove"})
    assert operator.get("/runs").status_code == 403
    assert ApiToken.objects.get(user=person).revoked_at is not None


def test_only_an_admin_changes_people(browser_of: Any, team: Team) -> None:
    operator = browser_of(Role.OPERATOR)
    before = list(Membership.objects.values_list("user_id", "role"))
    person = Membership.objects.get(role="operator").user
    operator.post(PEOPLE, {"email": "eve@example.org", "role": "admin"})
    operator.post(f"{PEOPLE}/{person.pk}", {"verb": "role", "role": "admin"})
    assert list(Membership.objects.values_list("user_id", "role")) == before
    assert operator.get("/admin/").status_code == 403


def test_a_token_is_shown_once_works_and_is_revoked(ada: Client, see: See) -> None:
    answer = ada.post(TOKENS, {"name": "nightly", "scopes": ["read"], "days": "30"})
    secret = re.search(r'id="new-token">([^<]+)<', answer.content.decode())
    assert secret
    program = Client(headers={"authorization": f"Bearer {secret[1]}"})
    assert program.get("/api/v1/runs").status_code == 200
    page = see(TOKENS)
    assert secret[1] not in str(page)
    assert "nightly" in words(one(page, "table"))
    ada.post(f"{TOKENS}/{ApiToken.objects.get().pk}/revoke")
    assert program.get("/api/v1/runs").status_code == 401


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"scopes": ["read"], "days": "30"}, "A token needs a name"),
        ({"name": "x", "days": "30"}, "no scope at all"),
        ({"name": "x", "scopes": ["everything"], "days": "30"}, "cannot give everything"),
        ({"name": "x", "scopes": ["read"], "days": "31"}, "Choose how long it works."),
    ],
)
def test_a_token_that_does_not_fit_is_not_made(ada: Client, fields: dict[str, Any], told: str) -> None:
    answer = ada.post(TOKENS, fields)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_a_member_sees_and_revokes_only_their_own_tokens(ada: Client, browser_of: Any) -> None:
    ada.post(TOKENS, {"name": "of-ada", "scopes": ["admin"], "days": ""})
    operator = browser_of(Role.OPERATOR)
    assert "of-ada" not in operator.get(TOKENS).content.decode()
    assert operator.post(f"{TOKENS}/{ApiToken.objects.get().pk}/revoke").status_code == 404


def test_a_person_in_two_teams_chooses_where_to_work(ada: Client, see: See) -> None:
    other = builders.a_team("other")
    Membership.objects.create(team=other, user=User.objects.get(username="ada"), role="viewer")
    page = see("/settings/teams")
    assert words(one(page, ".needs form .btn")).startswith("Work in it")
    ada.post("/team", {"team": str(other.pk)})
    assert "you are viewer" in words(one(see("/settings/teams"), "li:has(.chip)"))


def test_administration_leads_everywhere(see: See, ada: Client) -> None:
    for link in see("/admin/").select("main .needs a"):
        assert ada.get(str(link["href"])).status_code == 200
