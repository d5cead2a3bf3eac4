"""Every catalogued bug of networks is caught by the golden vectors, with room to spare, and named."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from conformance.cases.features import features
from conformance.cases.matrix import DTYPES
from conformance.diagnosis.bugs.adequacy import ENOUGH
from conformance.diagnosis.bugs.catalogue import network_bugs
from conformance.diagnosis.networks import diagnose_networks
from conformance.fixtures.store import Golden, golden
from conformance.judging.compare import compare
from conformance.trial.runner import judged_report


@cache
def vectors(dtype: str) -> list[Golden]:
    return [vector for vector in golden((dtype,), features="all") if features(vector.case)]
