"""The peers, in a virtual environment of their own (benchmarks/peers/requirements.txt)."""
