"""The pages of notices: the bell, the settings, endpoints, the log."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from agentops.accounts.models import Team, User
from agentops.accounts.roles import Role
from agentops.common.transactions import transaction
from agentops.notify.models import Delivery, Endpoint, Preference
from agentops.notify.services.notify import Message, notify
from agentops.notify.topics import Topic
from tests.ui.conftest import See
from tests.ui.reading import words

pytestmark = pytest.mark.django_db


def tell(team: Team, key: str = "k", title: str = "Decide <b>this</b>", path: str = "/approvals") -> None:
    with transaction():
        assert notify(team_id=team.pk, message=Message(Topic.SLA, key, title, "text", path))


def test_the_bell_counts_shows_and_is_emptied_by_a_post_only(see: See, ada: Client, team: Team) -> None:
    tell(team)
    tell(team, "other", path="")
    assert words(see("/runs").select_one('nav.rail a[href="/notifications"] .n')) == "2"
    page = see("/notifications")
    assert "Decide <b>this</b>" in words(page.select_one("main"))
    assert "2" in words(see("/notifications").select_one('nav.rail a[href="/notifications"] .n')), (
        "looking is not reading"
    )
    newest = Delivery.objects.filter(channel="app", notice__path="/approvals").get()
    answer = ada.post("/notifications/read", {"delivery": str(newest.pk)})
    assert answer["Location"] == "/approvals"
    assert ada.get("/notifications/read").status_code == 405
    ada.post("/notifications/read", {"delivery": "nonsense"})
    assert Delivery.objects.filter(channel="app", read_at__isnull=True).count() == 1
    ada.post("/notifications/read")
    assert see("/runs").select_one('nav.rail a[href="/notifications"] .n') is None


def test_a_person_chooses_topics_channels_and_quiet_hours(see: See, ada: Client, team: Team) -> None:
    page = see("/notifications/settings")
    assert [box["value"] for box in page.select('input[name="sla"][checked]')] == ["app", "mail"]
    sent = {"sla": ["app"], "run_ended": ["mail"], "quiet_from": "22:00", "quiet_until": "07:30"}
    assert ada.post("/notifications/settings", sent).status_code == 302
    kept = Preference.objects.get()
    assert (kept.channels["sla"], kept.channels["run_ended"], kept.channels["stuck"]) == (
        ["app"],
        ["mail"],
        [],
    )
    assert (kept.quiet_from_minute, kept.quiet_until_minute) == (1320, 450)
    page = see("/notifications/settings")
    assert page.select_one("#quiet-until")["value"] == "07:30"
    for wrong in ({"quiet_from": "x"}, {"quiet_from": "25:00"}, {"sla": ["fax"]}):
        assert ada.post("/notifications/settings", sent | wrong).status_code == 422


def test_an_admin_adds_an_endpoint_and_its_address_is_never_shown_again(
    see: See, ada: Client, team: Team
) -> None:
    sent = {
        "name": "Chat",
        "kind": "slack",
        "url": "https://hooks.example.com/T0/s3cr3t",
        "topics": ["sla", "stuck"],
    }
    refused = ada.post("/notifications/endpoints", sent | {"url": "http://10.0.0.1/"})
    assert (refused.status_code, b"not a public address" in refused.content) == (422, True)
    assert ada.post("/notifications/endpoints", sent).status_code == 302
    one = Endpoint.objects.get()
    text = ada.get("/notifications/settings").content
    assert b"hooks.example.com:443" in text
    assert b"s3cr3t" not in text
    ada.post(f"/notifications/endpoints/{one.pk}/switch", {"is_on": "0"})
    assert not Endpoint.objects.get().is_on
    ada.post(f"/notifications/endpoints/{one.pk}/delete")
    assert not Endpoint.objects.exists()


def test_the_log_shows_deliveries_and_sends_one_again(see: See, ada: Client, team: Team) -> None:
    tell(team)
    one = Delivery.objects.get(channel="mail")
    Delivery.objects.update(state="given_up", attempts=8)
    assert "Decide" in words(see("/notifications/deliveries?state=given_up").select_one("main"))
    assert see(f"/notifications/deliveries/{one.pk}").select_one("h1")
    assert ada.post(f"/notifications/deliveries/{one.pk}/send").status_code == 302
    one.refresh_from_db()
    assert (one.state, one.attempts_before) == ("due", 8)


def test_who_is_no_admin_sees_their_own_mail_alone(
    browser_of: Callable[[Role], Client], ada: Client, team: Team
) -> None:
    viewer: Any = browser_of(Role.VIEWER)
    tell(team)
    theirs = Delivery.objects.get(channel="mail", user=User.objects.get(username="viewer"))
    others = Delivery.objects.exclude(pk=theirs.pk).filter(channel="mail").first()
    assert others
    assert viewer.get(f"/notifications/deliveries/{theirs.pk}").status_code == 200
    assert viewer.get(f"/notifications/deliveries/{others.pk}").status_code == 404
    assert viewer.post(f"/notifications/deliveries/{theirs.pk}/send").status_code == 403
    assert viewer.get("/notifications/endpoints").status_code == 403
