"""A program as a candidate: what calls it, and begins it again when it has ended; and what stands for it in Python."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from conformance.case import QUANTITIES, Case, Result
from conformance.errors import CandidateError, ProcessError
from conformance.languages.pipes import LONGEST, Pipes, TooLongError
from conformance.languages.protocol import (
    HELLO,
    AnswerError,
    Declaration,
    StrayAnswerError,
    declaration,
    encoded,
    request,
    results,
    shown,
)
from conformance.layouts.layout import one_sample_at_a_time
from conformance.trial.call import PATIENCE, SECONDS, Caller, Elsewhere, Outcome, within
from conformance.trial.declare import candidate
from conformance.trial.processes import ENDS, GIVEN_UP, clock, leaving_on_signals

PREFIX = "process:"
"""What a CANDIDATE begins with that is a command."""
LINES = 20
"""So many lines of what it says on standard error during a call are told with the call."""
COPIES = "what it is given are copies"
TEXT = "its numbers come as text, which has no dtype"


class Program(Caller):
    """Calls a program that serves cases by the protocol; one that hangs or ends is begun again for the next call.

    It is to be entered with ``with``, or to be started and closed.

    Parameters
    ----------
    command : str
        The program and its arguments, with quotes as in a shell; no shell sees them.
    seconds : float
        How long one request may take: computing time of its first thread.
    memory : float, optional
        How many GiB it may have.

    Attributes
    ----------
    declared : Declaration
        What it has declared.
    printed : str
        The end of what it said on standard error, once this has been closed.

    Raises
    ------
    CandidateError
        If the command is none; when it is started, if that fails, or it does not answer the handshake as it should.
    """

    def __init__(self, command: str, seconds: float = SECONDS, memory: float | None = None) -> None:
        super().__init__(seconds, frozenset())
        self.words, self.memory, self.command = _words(command), memory, command
        self.printed = ""
        self._ends = self._asked = 0
        self._signals = ExitStack()
        self._pipes: Pipes | None = None
        self._declared: Declaration | None = None

    def __enter__(self) -> Program:
        self._signals.enter_context(leaving_on_signals())
        try:
            return self.start()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close(kill=error is not None)
        self._signals.close()

    @property
    def declared(self) -> Declaration:
        """What it has declared, since it was started."""
        assert self._declared is not None
        return self._declared

    def start(self) -> Program:
        """Begin it, and take what it declares."""
        self._begin()
        told = self.declared
        self.without, self.features = told.without, told.features
        self.exempt = {"inputs-unchanged": COPIES} | ({"dtype": TEXT} if told.numbers else {})
        return self

    def close(self, kill: bool = False) -> None:
        """End it, if it runs; the next call would begin it again."""
        if self._pipes is not None:
            self._pipes.close(kill)
            self._forget(self._pipes)

    def refusal(self, case: Case) -> str:
        """Why a case is not given to it: its layout or its batch are for the plain LSTM; empty for all others."""
        return self.declared.refusal(case)

    def lines(self, case: Case) -> list[str]:
        """What is written to it for a case: the handshake and the requests."""
        asked = [encoded(HELLO)]

        def ask(case: Case) -> Result:
            asked.append(request(case, len(asked), self.declared).decode().rstrip("\n"))
            return {}

        (one_sample_at_a_time(ask) if self.declared.single else ask)(case)
        return asked

    def _begin(self) -> None:
        self.restarts = 0 if self.restarts is None else self.restarts + 1
        try:
            pipes = self._pipes = Pipes(self.words, self.memory)
        except OSError as error:
            raise CandidateError(
                f"{self.words[0]!r} cannot be started: {error.strerror}. A command is expected behind {PREFIX} or --process, as "
                "`node my_lstm.js`; no shell sees it."
            ) from None
        try:
            told = self._hands_shaken(pipes)
            if told != (self._declared or told):
                raise CandidateError(f"{self.command} declares something else when it is begun again.")
        except BaseException:
            self.close(kill=True)
            raise
        self._declared = told

    def _hands_shaken(self, pipes: Pipes) -> Declaration:
        pipes.send(encoded(HELLO).encode() + b"\n")
        most = PATIENCE * self.seconds
        try:
            if not pipes.waited(most):
                raise CandidateError(
                    f"{self.command} did not answer the handshake within {most:g} s: a line on its standard input, to be answered "
                    "with a line on its standard output, which has to be flushed."
                )
            line = pipes.line()
        except EOFError:
            told = pipes.ended()
            said = _tail(pipes.heard())
            raise CandidateError(
                f"{self.command} {told} before it answered the handshake{f'; it said: {said}' if said else ''}."
            ) from None
        except TooLongError:
            raise CandidateError(f"{self.command} answered the handshake with more than {LONGEST} bytes.") from None
        try:
            return declaration(line)
        except CandidateError as error:
            raise CandidateError(f"{self.command} {error}") from None

    def _forget(self, pipes: Pipes) -> None:
        self._pipes = None
        self.printed = (self.printed + pipes.heard())[-(1 << 16) :]

    def _outcome(self, case: Case, seconds: float) -> Outcome:
        if self._ends >= ENDS:
            return Outcome(not_judged=GIVEN_UP)

        def ask(case: Case) -> Result:
            return self._answer(case, seconds)

        before = self._pipes, self._pipes.said if self._pipes is not None else 0
        try:
            given = (one_sample_at_a_time(ask) if self.declared.single else ask)(case)
        except _NoResultError as error:
            return error.outcome
        except (KeyError, ValueError) as error:
            return Outcome(failure=f"gave for single samples what does not go together: {error}", returned=True)
        known = {*case.shapes, *QUANTITIES}
        unknown = tuple(name for name in given if name not in known)
        result = {name: array for name, array in given.items() if name in known}
        said = _tail(self._pipes.heard(before[1])) if self._pipes is not None and self._pipes is before[0] else ""
        return Outcome(result, trace=said, unknown=unknown, returned=True, now=lambda: result)

    def _answer(self, case: Case, seconds: float) -> Result:
        """The results of one request.

        Raises
        ------
        _NoResultError
        """
        if self._pipes is None:
            try:
                self._begin()
            except CandidateError as error:
                self._ends += 1
                raise _NoResultError(Outcome(failure=f"could not be begun again: {error}")) from None
        pipes = self._pipes
        assert pipes is not None
        self._asked += 1
        since = pipes.said
        try:
            pipes.send(request(case, self._asked, self.declared))
            if not within(seconds, pipes.waited, clock(pipes.process.pid)):
                self.close(kill=True)
                ran_out = self._ran_out()
                raise _NoResultError(replace(ran_out, trace=_tail(pipes.heard(since))))
            given = results(pipes.line(), case, self._asked, self.declared)
            if pipes.more:
                raise StrayAnswerError(f"wrote {shown(pipes.more)} behind its answer, expected one line")
        except EOFError:
            failure = pipes.ended()
            self._forget(pipes)
        except (StrayAnswerError, TooLongError) as error:
            failure = str(error) or f"answered with more than {LONGEST} bytes"
            self.close(kill=True)
        except AnswerError as error:
            raise _NoResultError(Outcome(failure=str(error), trace=_tail(pipes.heard(since)), returned=True)) from None
        except _NoResultError:
            raise
        except BaseException:
            self.close(kill=True)
            raise
        else:
            return given
        self._ends += 1
        raise _NoResultError(Outcome(failure=failure, trace=_tail(pipes.heard(since))))


class _NoResultError(Exception):
    """There is no result; what came instead."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Process(Elsewhere):
    """A program as a candidate in Python: `process` makes it."""

    def __init__(self, command: str, seconds: float, memory: float | None) -> None:
        self.command, self.seconds, self.memory = command, seconds, memory
        self.program = Program(command, seconds, memory).start()
        candidate(without=self.program.without, features=self.program.features)(self)

    def __call__(self, case: Case) -> Result:
        """The results of a case.

        Raises
        ------
        ProcessError
            If there are none.
        """
        outcome = self.program(case)
        if outcome.failure or outcome.not_judged:
            said = f"; it said: {outcome.trace}" if outcome.trace else ""
            raise ProcessError(f"{self.command} {outcome.failure or outcome.not_judged}{said}")
        return outcome.result

    def caller(self, seconds: float) -> Program:
        """What calls it in a trial: a process of its own, with limits of its own."""
        return Program(self.command, seconds, self.memory).start()


def process(command: str, seconds: float = SECONDS, memory: float | None = None) -> Process:
    """A program in any language as a candidate, by the protocol that ``conformance/languages/README.md`` explains.

    Parameters
    ----------
    command : str
        The program and its arguments, with quotes as in a shell; no shell sees them.
    seconds : float
        How long a request may take: computing time of its first thread, and six times that on the clock.
    memory : float, optional
        How many GiB it may have.

    Returns
    -------
    callable
        Takes a case and gives the results; it has what the program declares. The program has been started, and is ended when nobody
        holds this any more.

    Raises
    ------
    CandidateError
        If it cannot be started, or does not answer the handshake as it should.

    Examples
    --------
    >>> lstm = process("node my_lstm.js")  # doctest: +SKIP
    """
    return Process(command, seconds, memory)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CandidateError(f"{command!r} is no command: {error}.") from None
    if not words:
        raise CandidateError("the command is empty; expected a program and its arguments, as `node my_lstm.js`.")
    return words


def _tail(said: str) -> str:
    """The last lines of what was said."""
    return "\n".join(said.strip().splitlines()[-LINES:])
