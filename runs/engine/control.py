"""Control flow that an agent's own `except Exception` cannot swallow (PROTOCOL 12).

ControlSignal (BaseException)
├── Suspend      the node waits; the run becomes a row until something wakes it
├── Cancelled    a person ended the run
├── LeaseLost    another worker owns the run now; write nothing more
└── SliceOver    the slice's time is up; another slice goes on from here
"""


class ControlSignal(BaseException):
    """Not an error: the run leaves this worker, and whatever the node still does is ignored."""


class Suspend(ControlSignal):
    """The run goes to sleep for `seconds` (by the database's clock)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"suspended for {seconds:g} s")
        self.seconds = seconds


class Cancelled(ControlSignal):
    pass


class LeaseLost(ControlSignal):
    pass


class SliceOver(ControlSignal):
    pass
