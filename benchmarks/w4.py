"""W4 on the product: `python -m benchmarks.w4`."""

from collections.abc import Sequence

from benchmarks.product import Product
from benchmarks.sleepers import Sleeper, main


class SleepingProduct(Product, Sleeper):
    """Runs that return `Sleep`."""

    def put_to_sleep(self, workflows: Sequence[str], due: float) -> None:
        self.start_many([{"workflow": workflow, "until": due} for workflow in workflows])

    def submit(self, workflows: Sequence[str]) -> None:
        Sleeper.submit(self, workflows)

    def n_asleep(self) -> int:
        return self.n_in("sleeping")


if __name__ == "__main__":
    main(SleepingProduct("bench-sleeps"), __doc__ or "")
