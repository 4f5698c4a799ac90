"""Benchmarks: figures with their spread, never assertions."""
