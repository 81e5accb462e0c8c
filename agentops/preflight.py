"""What must be so before people rely on an installation: each finding is a sentence that says what to do."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.core.management import call_command
from django.db import DatabaseError, connection

from runs.selectors.system import system_status

SECRET_LENGTH = 32
OLDEST_POSTGRES = 140000
# What the edge or a proxy does here, and Django's own checks cannot see.
SILENCED = {"security.W004", "security.W008"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be; `is_fatal` refuses production."""

    text: str
    is_fatal: bool = True


def findings() -> list[Finding]:
    """Return all that speaks against production, the fatal first; empty when nothing does. Writes nothing."""
    found = [*_settings(), *_database(), *_machinery(), *_checks()]
    return sorted(found, key=lambda finding: not finding.is_fatal)


def _settings() -> Iterator[Finding]:
    keys = (settings.SECRET_KEY, settings.INTEGRITY_KEY)
    asked = (
        (settings.DEBUG, "DEBUG is on: errors show code and settings to whoever meets them; leave it out"),
        (keys[0] == keys[1], "SECRET_KEY and AGENTOPS_INTEGRITY_KEY are the same: who learns one can forge what the other guards"),
        (min(map(len, keys)) < SECRET_LENGTH, f"SECRET_KEY and AGENTOPS_INTEGRITY_KEY need {SECRET_LENGTH} characters or more, by chance"),
        ("*" in settings.ALLOWED_HOSTS, "ALLOWED_HOSTS takes any name; list the names under which people reach this installation"),
        (not settings.IS_SECURE, "HTTPS is off: cookies go over the wire as they are; set HTTPS=1 behind a proxy that ends TLS"),
    )  # fmt: skip
    yield from (Finding(text) for is_so, text in asked if is_so)
    yield from (Finding(f"{name} is not set: each process would make its own, and none could read the others' work")
                for name in ("SECRET_KEY", "AGENTOPS_INTEGRITY_KEY") if not _is_given(name))  # fmt: skip
    missed = (
        (settings.PUBLIC_URL, "PUBLIC_URL is not set: mails and messages cannot link to what they are about"),
        (settings.EMAIL_HOST, "EMAIL_HOST is not set: nobody gets a mail, also not for a new password"),
    )
    yield from (Finding(text, is_fatal=False) for given, text in missed if not given)


def _is_given(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _database() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'server_version_num')")  # fmt: skip
            told = dict(cursor.fetchall())
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            (is_super,) = cursor.fetchone()
    except DatabaseError as error:
        yield Finding(f"the database does not answer: {str(error).strip().splitlines()[0]}")
        return
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if told.get(name) == "off":
            yield Finding(
                f"PostgreSQL runs with {name} = off: what was confirmed may be gone after a crash; switch it on"
            )
    if int(told["server_version_num"]) < OLDEST_POSTGRES:
        yield Finding("PostgreSQL is older than 14; take a newer one")
    if is_super:
        yield Finding(
            "the database role is a superuser; take one that owns nothing but this database", is_fatal=False
        )
    if _is_behind():
        yield Finding("the database is not up to date: run `manage.py migrate`")


def _is_behind() -> bool:
    try:
        call_command("migrate", check_unapplied=True, verbosity=0, stdout=StringIO())
    except SystemExit:
        return True
    return False


def _machinery() -> Iterator[Finding]:
    try:
        for complaint in system_status().complaints:
            yield Finding(complaint, is_fatal=False)
    except DatabaseError:
        return


def _checks() -> Iterator[Finding]:
    for message in run_checks(include_deployment_checks=True):
        if (
            message.level >= WARNING
            and message.id not in SILENCED
            and not str(message.id).startswith("models.")
        ):
            yield Finding(f"{message.msg} ({message.id})".replace("\n", " "), is_fatal=message.is_serious())
