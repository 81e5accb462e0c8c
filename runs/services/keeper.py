"""Keeps house beside the clock: archives, deletes and prunes what is due, measures runs, takes away what nobody refers to."""

import logging
import threading
from uuid import UUID

import psycopg
from django.db import Error, connection

from runs.services.begin_retention import begin_nights
from runs.services.free_blobs import free_blobs
from runs.services.measure_runs import measure_next
from runs.services.work_on_retention import finish_archives, work_on_retention

ROUND_SECONDS = 1.0
REST_EVERY = 10  # rounds, while there is much to archive and delete
STOP_SECONDS = 10.0
FIRST = UUID(int=0)

logger = logging.getLogger(__name__)


class Keeper:
    """One thread, for as long as it is entered; any number of keepers may be at it.

    Not a job of the clock itself: to write and read back a large archive takes seconds, and nothing may wait for it.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="keeper", daemon=True)
        self._measured: UUID = FIRST
        self._freed = b""
        self._n_rounds = 0

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def round(self) -> bool:
        """Do a little of what is due, and of the rest; return whether there is more to do at once."""
        is_busy = work_on_retention()
        self._n_rounds += 1
        if not is_busy or self._n_rounds % REST_EVERY == 0:
            begin_nights()
            finish_archives()
            self._measured = measure_next(self._measured) or FIRST
            self._freed = free_blobs(self._freed)[0] or b""
        return is_busy

    def _loop(self) -> None:
        while not self._stopping.is_set():
            is_busy = False
            try:
                is_busy = self.round()
            except (Error, psycopg.Error) as error:
                logger.warning(
                    "retention: the database does not answer, trying again: %s", str(error).strip()
                )
                connection.close()
            except Exception:
                logger.exception("retention: a round broke off")
            self._stopping.wait(0.0 if is_busy else ROUND_SECONDS)
        connection.close()
