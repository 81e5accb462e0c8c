"""Entries are only added: the database itself refuses to change or delete one."""

from django.db import migrations

_CREATE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- The clock seals an entry once; nothing else of it may differ.
        IF OLD.seq IS NULL AND NEW.seq IS NOT NULL
            AND to_jsonb(NEW) - 'seq' - 'seal' = to_jsonb(OLD) - 'seq' - 'seal' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'entries of the audit are only added, never changed or deleted'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_entry_kept_whole BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_kept BEFORE DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
"""
_DROP = """
DROP TRIGGER audit_head_kept ON audit_head;
DROP TRIGGER audit_entry_kept_whole ON audit_entry;
DROP TRIGGER audit_entry_kept ON audit_entry;
DROP FUNCTION audit_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(_CREATE, _DROP)]
