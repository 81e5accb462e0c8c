"""The console's pages."""

from django.urls import path
from django.views.generic import RedirectView

from runs.presenters.verbs import VERBS
from runs.views import (
    actions,
    callbacks,
    dead_letters,
    diff,
    inspect,
    lists,
    preferences,
    run,
    schedule_forms,
    schedules,
    start,
    state,
    tabs,
    verify,
    waits,
)

app_name = "runs"
urlpatterns = [
    path("", lists.home, name="home"),
    path("theme", preferences.set_theme, name="theme"),
    path("agents", lists.agent_list, name="agents"),
    path("runs", lists.run_list, name="list"),
    path("runs/", RedirectView.as_view(pattern_name="runs:list", query_string=True)),
    path("runs/rows", lists.run_rows, name="rows"),
    path("runs/start", start.start, name="start"),
    path("runs/dead-letters", dead_letters.dead_letters, name="dead-letters"),
    path("runs/dead-letters/retry", dead_letters.retry_dead, name="retry-dead"),
    path("runs/<uuid:run_id>", run.run_page, name="run"),
    path("runs/<uuid:run_id>/tree", run.run_page, name="tree"),
    path("runs/<uuid:run_id>/tree/rows", run.tree_rows, name="tree-rows"),
    path("runs/<uuid:run_id>/tree/map", run.tree_map, name="minimap"),
    path("runs/<uuid:run_id>/tree/inside", run.inside, name="inside"),
    path("runs/<uuid:run_id>/errors", run.error_step, name="errors"),
    path("runs/<uuid:run_id>/steps/<int:seq>", run.run_page, name="step"),
    path("runs/<uuid:run_id>/steps/<int:seq>/changes", inspect.changes, name="changes"),
    path("runs/<uuid:run_id>/json", inspect.json_part, name="json"),
    path("runs/<uuid:run_id>/json/file", inspect.json_file, name="json-file"),
    path("runs/<uuid:run_id>/log", tabs.log, name="log"),
    path("runs/<uuid:run_id>/state", state.state, name="state"),
    path("runs/<uuid:run_id>/diff", diff.choose, name="diff-of"),
    path("runs/<uuid:run_id>/diff/<int:a>..<str:b>", diff.diff_page, name="diff"),
    path("runs/<uuid:run_id>/output", tabs.output, name="output"),
    path("runs/<uuid:run_id>/callbacks", callbacks.callbacks, name="callbacks"),
    path("runs/<uuid:run_id>/callbacks/<uuid:callback_id>/send", callbacks.send_again, name="send-callback"),
    path("settings/callbacks", callbacks.secret, name="callback-secret"),
    path("runs/<uuid:run_id>/verify", verify.verify, name="verify"),
    path("runs/<uuid:run_id>/steps/<int:seq>/resolve", actions.resolve, name="resolve"),
    path("runs/<uuid:run_id>/waits", waits.waits, name="waits"),
    path("runs/<uuid:run_id>/waits/<int:seq>", waits.answer, name="answer"),
    path("runs/<uuid:run_id>/waits/message", waits.message, name="message"),
    path("runs/<uuid:run_id>/waits/wake", waits.wake, name="wake"),
    path("runs/<uuid:run_id>/waits/cancel", waits.cancel, name="cancel-wait"),
    path("schedules", schedules.schedule_list, name="schedules"),
    path("schedules/new", schedule_forms.new, name="new-schedule"),
    path("schedules/<uuid:schedule_id>", schedules.schedule_page, name="schedule"),
    path("schedules/<uuid:schedule_id>/edit", schedule_forms.edit, name="edit-schedule"),
    path("schedules/<uuid:schedule_id>/fire", schedules.fire, name="fire-schedule"),
    path("schedules/<uuid:schedule_id>/pause", schedules.pause, {"is_paused": True}, name="pause-schedule"),
    path(
        "schedules/<uuid:schedule_id>/resume", schedules.pause, {"is_paused": False}, name="resume-schedule"
    ),
    path("schedules/<uuid:schedule_id>/delete", schedules.delete, name="delete-schedule"),
    *(path(f"runs/<uuid:run_id>/do/{verb}", actions.act, {"verb": verb}, name=verb) for verb in VERBS),
]
