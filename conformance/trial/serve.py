"""The program of a candidate's own process: it imports the candidate and calls it as it is asked to."""

from __future__ import annotations

import os
from collections import deque

import numpy as np

from conformance.cases.flat import of_arrays
from conformance.errors import ConformanceError
from conformance.trial.call import Outcome, losses_of, outcome_of
from conformance.trial.declare import declared, declared_features, declared_trainings
from conformance.trial.given import find, imports_conformance
from conformance.trial.processes import limit_memory
from conformance.trial.wire import HELD, receive, send


def main(spec: str, memory: float | None) -> None:
    """Serve calls of a candidate until nobody asks any more.

    Parameters
    ----------
    spec : str
        As the user named it.
    memory : float or None
        How many GiB the process may have.
    """
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what the candidate prints is nobody's answer
    if memory is not None:
        limit_memory(memory)
    try:
        function = find(spec)
        declares = {
            "without": sorted(declared(function)),
            "features": sorted(declared_features(function)),
            "trains": sorted(declared_trainings(function)),
        }
    except ConformanceError as error:
        send(replies, {"refused": str(error)}, {})
        return
    send(replies, {**declares, "needs_conformance": imports_conformance(function)}, {})
    held: deque[tuple[int, Outcome]] = deque(maxlen=HELD)
    while True:
        try:
            header, arrays = receive(requests)
        except EOFError:
            return
        if "look" in header:
            now = dict(held)[header["look"]].now()
            send(replies, {}, {name: array for name, array in now.items() if isinstance(array, np.ndarray)})
            continue
        if "train" in header:
            outcome = losses_of(function, header["train"], header["dtype"], header["updates"])
        else:
            outcome = outcome_of(function, of_arrays(arrays, header["id"], header["dtype"], header["layers"]))
        held.append((header["call"], outcome))
        given = {name: array for name, array in outcome.result.items() if isinstance(array, np.ndarray)}
        told = {
            name: getattr(outcome, name) for name in ("failure", "trace", "warned", "unknown", "mutated", "returned")
        }
        odd = {name: type(value).__name__ for name, value in outcome.result.items() if name not in given}
        send(replies, {**told, "call": header["call"], "odd": odd}, given)
