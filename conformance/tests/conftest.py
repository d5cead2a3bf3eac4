"""What unit tests share with the conformance suite: how a part that cannot be run here is told."""

from conformance.suite.conftest import not_run

__all__ = ["not_run"]
