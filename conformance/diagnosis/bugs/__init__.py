"""The bugs that people write into LSTMs, each as an implementation with one thing wrong."""

from conformance.diagnosis.bugs.catalogue import Bug, bugs

__all__ = ["Bug", "bugs"]
