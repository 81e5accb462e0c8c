"""How tests empty a database after themselves.

Django's flush truncates every table and makes permissions anew: a quarter of a second and more, for each of a thousand
tests. Most tables are empty then, and the others hold a few rows.
"""

from typing import Any

from django.db import connection, connections

# Made by migrations, and the same for every test.
KEPT = ("django_migrations", "django_content_type", "auth_permission")
_EMPTY = """
DO $$ DECLARE name text; has_rows boolean; small text[] := ARRAY[]::text[]; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND NOT tablename = ANY(ARRAY[{kept}]) LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO has_rows;
        IF has_rows AND (starts_with(name, 'audit_') OR pg_relation_size(name::regclass) > 1000000) THEN
            EXECUTE format('TRUNCATE %I CASCADE', name);
        ELSIF has_rows THEN
            small := small || name;
        END IF;
    END LOOP;
    FOREACH name IN ARRAY small LOOP  -- after every TRUNCATE, which refuses tables whose foreign keys are yet to be checked
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$
"""


def let_it_be_emptied() -> None:
    """Switch off what keeps the entries of the audit from TRUNCATE, in the database that is in use."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_kept_whole")


def empty(alias: str = "default") -> None:
    """Take every row out of the database but those of migrations."""
    kept = ", ".join(f"'{name}'" for name in KEPT)
    with connections[alias].cursor() as cursor:
        cursor.execute(_EMPTY.format(kept=kept))


def empty_after(case: Any) -> None:
    """Stand in for what Django does after each test with transactions of its own."""
    for alias in case._databases_names(include_mirrors=False):
        empty(alias)
