"""Small networks that between them have every feature."""

from __future__ import annotations

from conformance.cases.network import NetworkSpec
from lstm_ref import Options

SPECS = (
    NetworkSpec(2, 6, 3, (5,)),
    NetworkSpec(2, 6, 3, (5,), state=False, bias=False),
    NetworkSpec(2, 6, 3, (5,), direction="reverse"),
    *(NetworkSpec(3, 7, 2, (4,), mask=mask) for mask in ("right", "left", "holes")),
    NetworkSpec(3, 7, 2, (4,), mask="holes", options=Options(zero_output_for_mask=True)),
    NetworkSpec(3, 7, 2, (4,), mask="right", direction="reverse"),
    *(NetworkSpec(3, 5, 2, (4,), direction="both", merge=merge) for merge in ("concat", "sum", "mul", "ave", None)),
    NetworkSpec(3, 5, 2, (4,), direction="both", mask="right"),
    NetworkSpec(3, 5, 2, (4,), direction="both", mask="right", options=Options(zero_output_for_mask=True)),
    NetworkSpec(3, 5, 2, (4,), direction="both", mask="right", options=Options(return_sequences=False)),
    NetworkSpec(
        3, 5, 2, (4,), direction="both", merge=None, mask="holes",
        options=Options(return_sequences=False, zero_output_for_mask=True),
    ),
    NetworkSpec(3, 5, 2, (4, 4)),
    NetworkSpec(2, 5, 3, (4, 4, 4), direction="both"),
    NetworkSpec(3, 5, 2, (4, 3), direction="both", mask="holes"),
    NetworkSpec(3, 5, 2, (4, 6, 3)),
    NetworkSpec(3, 5, 2, (5, 5), projection=3),
    NetworkSpec(3, 5, 2, (5,), projection=3, direction="both", mask="left"),
    NetworkSpec(3, 5, 2, (5,), peephole=True),
    NetworkSpec(3, 5, 2, (5, 4), peephole=True, direction="both", bias=False),
    NetworkSpec(3, 5, 2, (5,), options=Options(go_backwards=True)),
    NetworkSpec(3, 5, 2, (5, 4), direction="both", mask="right", options=Options(go_backwards=True)),
    NetworkSpec(3, 5, 2, (5,), mask="right", options=Options(go_backwards=True, return_sequences=False)),
    *(
        NetworkSpec(3, 5, 2, (5,), options=Options(activation=name))
        for name in ("relu", "linear", "softsign", "softplus", "elu", "hard_sigmoid")
    ),
    NetworkSpec(3, 5, 2, (5,), options=Options(recurrent_activation="hard_sigmoid")),
    NetworkSpec(
        3, 5, 2, (5,), options=Options(recurrent_activation="hard_sigmoid_keras2", output_activation="linear")
    ),
    NetworkSpec(3, 5, 2, (5,), options=Options(output_activation="exponential")),
    NetworkSpec(3, 5, 2, (5,), options=Options(coupled_gates=True)),
    NetworkSpec(3, 5, 2, (5,), peephole=True, options=Options(coupled_gates=True)),
    NetworkSpec(3, 5, 2, (5,), options=Options(clip=0.75)),
    NetworkSpec(3, 5, 2, (5,), peephole=True, projection=3, options=Options(clip=0.75)),
    NetworkSpec(3, 5, 2, (5,), dropout="input"),
    NetworkSpec(3, 5, 2, (5,), dropout="recurrent"),
    NetworkSpec(3, 5, 2, (5, 4), dropout="both", direction="both", mask="right"),
    NetworkSpec(2, 5, 3, (5, 5, 5), dropout="between", direction="both", options=Options(go_backwards=True)),
)  # fmt: skip
