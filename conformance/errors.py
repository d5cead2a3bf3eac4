"""The exit statuses, and the suite's own errors; each says what was given, what was expected and what to do."""

from __future__ import annotations

CONFORMS, DOES_NOT, MISUSE = 0, 1, 2
"""The exit statuses of every command."""


class ConformanceError(Exception):
    """Base of every error that the suite raises on purpose."""


class CandidateError(ConformanceError):
    """A candidate cannot be had: no such name, or it is not callable."""


class ProcessError(ConformanceError):
    """A program that serves as a candidate gave no result: it ended, ran out of time, or answered with an error."""


class FixtureError(ConformanceError):
    """The golden vectors are missing, damaged, or would be blind."""


class OracleError(ConformanceError):
    """An oracle is not installed, or contradicts itself."""


class BaselineError(ConformanceError):
    """The earlier report to compare with cannot be used."""


class LayoutError(ConformanceError):
    """A layout is none, or what was given is not in it."""


class ConversionError(ConformanceError):
    """A network cannot be written to the file that was asked for; nothing was written."""


class UnknownBugError(ConformanceError):
    """The catalogue has no such bug."""


class ReportError(ConformanceError):
    """A report cannot be written where it is wanted."""


class CaseFileError(ConformanceError):
    """A file holds no case, or its case cannot be written."""


class SweepError(ConformanceError):
    """A sweep cannot begin, go on, or be taken up again."""


class ScoreboardError(ConformanceError):
    """An engine is none, or the scoreboard cannot be run where it is asked for."""
