"""The example in Python, which does something wrong in one case, or before any: ``python misbehaving.py WHAT``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import my_lstm  # type: ignore[import-not-found]  # it is beside the package, not in it

CASE = "plain-all-float64"
HELLO = {"protocol": "lstm-conformance", "version": 1, "arrays": "base64", "layout": {"biases": 2}}
DECLARES: dict[str, dict[str, Any]] = {
    "version": {"version": 2},
    "unknown-key": {"gates": "ifgo"},
    "arrays": {"arrays": "hex"},
    "dtypes": {"dtypes": ["float16"]},
    "without": {"without": ["h1"]},
    "features": {"features": "mask"},
    "layout": {"layout": {"gates": "ifgg"}},
    "layout-key": {"layout": {"order": "ifgo"}},
    "batch": {"batch": 2},
    "batch-and-features": {"batch": 1, "features": ["mask"]},
    "projection-and-layout": {"features": ["projection"]},
}
"""What is declared wrongly in the handshake."""


def say(text: str) -> None:
    print(text, flush=True)


def at_start(what: str) -> None:
    if what == "dies":
        print("no such thing as a GPU", file=sys.stderr)
        sys.exit(3)
    elif what == "junk-first":
        say("Loading the model...")
    elif what == "silent":
        time.sleep(60)
    elif what == "slow-start":
        time.sleep(1.5)
    elif what == "dies-later" and Path("begun").exists():
        sys.exit(4)
    elif what == "changes-its-mind" and Path("begun").exists():
        HELLO["layout"] = {"biases": 1}
    elif what == "leaves-a-child":
        Path("child").write_text(str(Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid))
    Path("begun").write_text(str(os.getpid()))


def in_case(what: str, answer: dict[str, Any]) -> str:
    """What it writes in the case instead of the answer, if it comes to that."""
    output = answer.get("results", {}).get("output")
    if what in ("crash", "dies-later", "changes-its-mind"):
        print("about to abort", file=sys.stderr, flush=True)
        os.abort()
    elif what == "hang":
        time.sleep(60)
    elif what == "spin":
        while True:
            pass
    elif what == "junk":
        say("step 1 of 3")
    elif what == "flood":
        while True:
            os.write(2, b"x" * 65536)
    elif what == "closes-stdout":
        os.close(1)
        time.sleep(60)
    elif what == "endless-line":
        while True:
            os.write(1, b"x" * 65536)
    elif what == "twice":
        say(json.dumps(answer))
    elif what == "another-call":
        answer["call"] += 1
    elif what == "key":
        answer["output"] = output
    elif what == "error":
        return json.dumps({"call": answer["call"], "error": "no memory\nleft"})
    elif what == "shape":
        output["shape"] = output["shape"][::-1]
    elif what == "short":
        output["data"] = output["data"][:-8]
    elif what == "no-base64":
        output["data"] = "?" * 8
    elif what == "list":
        output["data"] = [1.0]
    elif what == "dtype":
        output["dtype"] = "float16"
    elif what == "array-key":
        output["order"] = "C"
    elif what == "gradient":
        answer["results"]["d_kernel"]["shape"] = answer["results"]["d_kernel"]["shape"][::-1]
    elif what == "gap":
        del answer["results"]["d_recurrent_kernel"]
    elif what == "unknown-quantity":
        answer["results"]["y"] = output
    return json.dumps(answer)


if __name__ == "__main__":
    what = sys.argv[1]
    at_start(what)
    for line in sys.stdin:
        message = json.loads(line)
        if "protocol" in message:
            if what != "never-answers":
                say(json.dumps(HELLO | DECLARES.get(what, {})))
            continue
        answer = my_lstm.answer(message)
        if what == "chatty":
            os.write(2, b"so much to say\n" * 20_000)
        if what == "leaves-out":
            del answer["results"]["d_x"]
        if what == "one-dtype" and message["dtype"] == "float64":
            answer = {"call": message["call"], "error": "no such dtype"}
        say(in_case(what, answer) if message["id"] == CASE else json.dumps(answer))
