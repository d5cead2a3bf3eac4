"""Which of what can be read off was met in the wild: that is in the catalogue, and adequacy holds for it."""

from __future__ import annotations

MET = {
    "gates-activation-sigmoid-2z": "The gates are steeper; a sigmoid built as (tanh(z) + 1) / 2 lacks the half.",
    "tanh-nan-exp": "Only in saturation: NaN beyond 710, in float32 beyond 88.",
    "bias-first-step-only": "Hidden by T = 1 and by a zero bias.",
    "input-gate-missing": "c is wrong from the first step on; the weights of i have no effect.",
    "weights-of-i-for-f": "c is wrong where it was not zero; the weights of f have no effect.",
    "candidate-lagged": "Hidden by T = 1.",
    "peephole-ifo": "Hidden by T = 1 and c0 = 0.",
    "logits-normalised-4": "Outputs are wrong from the first step on; they do not change when all weights are doubled.",
    "new-cell-clipped-1": "Only where c grows beyond 1.",
    "weights-int8": "Errors of about 1e-2 that no gradient explains.",
    "sequence-truncated-10": "Hidden by T <= 10.",
    "states-left-over": "The first sample is right; hidden by B = 1.",
    "grad-cell-slope-1-minus-c-squared": "At T=1 the blocks i, f, c of d_bias are wrong; hidden by small c.",
    "grad-o-slope-i-times-1-minus-o": "At T=1 only the output gate's block of d_bias is wrong.",
    "grad-c-slope-g-times-1-minus-g-squared": "At T=1 only the candidate's block of d_bias is wrong.",
    "grad-hidden-added-to-cell": "At T=1 the blocks i, f, c of d_bias are wrong; right where d_c alone is not zero.",
    "grad-ifc-without-carried-cell": "Hidden by T = 1 without a d_c.",
    "grad-cell-carry-unmended": "Hidden by T = 1 where d_c alone is not zero.",
    "grad-final-cell-every-step": "Hidden by T = 1 and by losses on the outputs alone.",
    "grad-block-order-cifo": "Only the weights' gradients are wrong, all three in the same way.",
    "grad-logits-clipped-1": "Only where gradients are large.",
    "grad-cache-last-new-cell": "Hidden by T = 1: one array for c is written to at every step.",
    "grad-cell-left-over": "The first sample is right; hidden by B = 1.",
    "grad-hidden-cut-between-steps": "Hidden by T = 1: d_x of the last step is right.",
    "grad-bias-mean": "Only d_bias is wrong; hidden by B = 1.",
    "grad-kernel-assigned": "Only d_kernel is wrong; hidden by T = 1.",
}
"""Slug to how it shows, and under what it hides."""
