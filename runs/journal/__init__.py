"""The journal in PostgreSQL: fenced commits of nodes and actions, and reading them back."""
