"""The bugs that people write into LSTMs, each as an implementation with one thing wrong."""

from conformance.diagnosis.bugs.catalogue import Bug, bugs, network_bugs

__all__ = ["Bug", "bugs", "network_bugs"]
