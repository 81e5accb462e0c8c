"""Benchmarks of the product beside its peers, on servers of their own, in one run (docs/explanation/benchmarks.md)."""
