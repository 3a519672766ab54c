"""Measures the action server against the bare SDK, on one machine and in one run."""
