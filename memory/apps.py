from django.apps import AppConfig


class MemoryConfig(AppConfig):
    name = "memory"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import memory.agent_tools  # noqa: F401 -- puts the tools into the registry
        from memory.adapters.vectors import set_up, sweep_vectors
        from memory.selectors.spaces import unknown_spaces
        from memory.services.embed_items import Walk
        from runs.chores import add_chore
        from runs.definition_checks import add_definition_check

        add_chore("memory: set up vectors", set_up, every_ticks=20_000)
        add_chore("memory: embed items", Walk().go_on, every_ticks=4)
        add_chore("memory: sweep vectors", sweep_vectors, every_ticks=20_000)
        add_definition_check("memory: spaces", unknown_spaces)
