"""The Celery application: transport for tickets and home of the worker processes, nothing more."""

import os
import sys

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentops.settings")

app = Celery("agentops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,
    result_backend=None,
    task_default_queue="default",
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 1, "socket_keepalive": True},
    task_publish_retry=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # Else Celery closes each thread's database connection after each ticket: opening one costs more than most slices.
    CELERY_DB_REUSE_MAX=sys.maxsize,
)
app.autodiscover_tasks(["runs"])
