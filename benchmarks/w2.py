"""W2 and W3 on the product: `python -m benchmarks.w2 --mode rate|latency|kill`."""

from benchmarks.durable import arguments, drive
from benchmarks.product import Product

if __name__ == "__main__":
    given = arguments(__doc__ or "", ["default"])
    drive(Product("bench-effects" if given.mode == "kill" else "bench-trivial"), given)
