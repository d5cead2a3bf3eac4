"""Edits of a single line that break each of the five LSTMs, and what the diagnosis says of them.

Of each: what stands in one line, what is written there instead, and the bugs that are named: "a and b" if they act together,
"a or b" if the member does not give what would tell them apart.
"""

from __future__ import annotations

BREAKS: dict[str, list[tuple[str, str, str]]] = {
    "column_cell": [
        ("1 / (1 + np.exp(-z))", "np.clip(1 / (1 + np.exp(-z)), 1e-4, 1 - 1e-4)", "sigmoid-clipped"),
        ("g = np.tanh(self.Wg @ z + self.bg)", "g = sigmoid(self.Wg @ z + self.bg)", "candidate-sigmoid"),
        ("c_new = f * c + i * g", "c_new = f * c + (i + g)", "candidate-added"),
        ("h_new = o * np.tanh(c_new)", "h_new = o * c_new", "cell-output-tanh-missing"),
        ("dc + dh * o * (1", "dc + dh * (1", "grad-output-gate-missing"),
        ("df = dc * c * f", "df = dc * c_new * f", "grad-forget-uses-new-cell"),
        ("dg = dc * i * (1 - g**2)", "dg = dc * i * g * (1 - g)", "grad-candidate-sigmoid-derivative"),
        ("do = dh * np.tanh(c_new) * o * (1 - o)", "do = dh * np.tanh(c_new)", "grad-derivative-missing-o"),
        ("self.dbg += dg", "self.dbg += df", "grad-bias-copied"),
        ("dz[D:], dc * f", "dz[D:], dc", "grad-cell-carry-misses-forget"),
        ("np.vstack([x, h])", "np.vstack([h, x])", "concat-inputs-swapped and grad-joined-cut-hx"),
    ],
    "sequence_layer": [
        ("1 / (1 + np.exp(-z))", "1 / (1 + np.exp(-z) + 1e-5)", "sigmoid-epsilon-1e-5"),
        ("for x_t in x:", "for x_t in x[::-1]:", "time-reversed"),
        ('p["Uf"] @ h + p["bf"])', 'p["Uf"] @ h + p["bf"] + 1)', "forget-bias-added"),
        ("c = f * c_prev + i * g", "c = i * c_prev + f * g", "input-forget-swapped"),
        ("h = o * np.tanh(c)", "h = o * np.tanh(c_prev)", "output-uses-old-cell"),
        ("if self.return_sequences:", "if t == len(self.steps) - 1:", "grad-only-last-output"),
        (
            "dh = dh + dy[t]",
            "dh = dy[t]",
            "grad-hidden-cut-between-steps or grad-hidden-not-carried or grad-output-overwrites-carry",
        ),
        (
            "dc = dc + dh",
            "dc = dh",
            "grad-cell-carry-unmended or grad-cell-not-carried or grad-cell-overwritten or grad-ifc-without-carried-cell",
        ),
        ("dc * i * (1 - g**2)", "dc * i * (1 - np.tanh(g) ** 2)", "grad-tanh-of-activated"),
        ("d[gate] @ h_prev.T", "d[gate] @ self.steps[t][-1].T", "grad-recurrent-uses-new-hidden"),
    ],
    "linked_nodes": [
        (
            "(sigmoid, lambda a: a * (1 - a))",
            "(sigmoid, lambda a: sigmoid(a) * sigmoid(-a))",
            "grad-sigmoid-of-activated",
        ),
        ("State(h, c)", "State(c, h)", "h0-c0-swapped"),
        ('p.candidate.of(p.W["g"] @ self.xh + p.b["g"])', 'p.W["g"] @ self.xh + p.b["g"]', "candidate-linear"),
        ("before.c * self.f", "before.c * (1 - self.i)", "coupled-gates"),
        ("dh * self.o * p.output.slope(self.out)", "dh * self.o", "grad-cell-tanh-missing"),
        ("self.i * p.candidate.slope(self.g)", "self.i", "grad-candidate-derivative-missing"),
        ("dh * self.out * p.gate.slope(self.o)", "dh * self.out * self.o", "grad-sigmoid-for-derivative-o"),
        ("self.dx = dxh[", 'self.dx = (dxh - p.W["o"].T @ do)[', "grad-x-misses-gate-o"),
        ("before.dc += dc * self.f", "before.dc += dc", "grad-cell-carry-misses-forget"),
        ("node.after.dh += slope", "node.after.dh = slope", "grad-output-overwrites-carry"),
        ("before.dc += dc * self.f", "before.dc += dc * self.i", "grad-cell-carry-times-i"),
    ],
    "cached_cell": [
        ("1 / (1 + np.exp(-z))", "np.clip(0.2 * z + 0.5, 0, 1)", "hard-sigmoid-keras2"),
        ("c = f * c_prev + i * g", "c = c_prev + i * g", "forget-ignored"),
        ('"g": g,', '"g": c,', "grad-candidate-cached-as-cell"),
        ("dh * o * (1 - tanh_c**2)", "dh * o * (1 - np.tanh(tanh_c) ** 2)", "grad-cell-tanh-of-activated"),
        ("dc * g * i * (1 - i)", "dc * g * i", "grad-sigmoid-for-derivative-i"),
        ("d.sum(axis=1, keepdims=True)", "d[:, :1]", "grad-bias-of-first-sample"),
        ("ys.append(cell.dense(h))", 'ys.append(cell.dense(cache["hx"][: len(h)]))', "output-lagged"),
        ("return ys, h, c, caches", "return ys, c, h, caches", "final-states-swapped"),
        ("dh = dh + cell.dense_backward", "dh += cell.dense_backward", "input-mutated"),
        ("cell.backward(dh, dc, cache)", "cell.backward(dh, 0 * dc, cache)", "grad-cell-overwritten"),
    ],
    "feature_major": [
        ("1 / (1 + np.exp(-z))", "np.exp(z) / (1 + np.exp(z))", "sigmoid-nan"),
        ("c = f * c_prev + i * g", "c = i * g", "cell-not-carried"),
        ("ys, caches = h0, c0,", "ys, caches = 0 * h0, c0,", "h0-ignored"),
        ("np.stack(hs, axis=2)", "np.stack([h] * len(hs), axis=2)", "output-aliased"),
        ("(df, di, dg, do)", "(df, di, do, dg)", "grad-block-order"),
        ('dh_next, dc = step.pop("h")', 'dh_next, dc = 0 * step.pop("h")', "grad-hidden-not-carried"),
        ("total[name] += gradient", "total[name] = gradient", "grad-weights-not-accumulated"),
        ("total[name] += gradient", "total[name] += gradient / dh.shape[1]", "grad-batch-mean"),
        ("total[name] += gradient", "total[name] += gradient / len(caches)", "grad-time-mean"),
        ("return {**total,", "return {**{n: a.clip(-1, 1) for n, a in total.items()},", "grad-clipped"),
        ("dh[:, :, t] + dh_next", "dh[:, :, t]", "grad-hidden-cut-between-steps"),
        ("dz.sum(axis=1, keepdims=True)", "df.sum(axis=1, keepdims=True)", "grad-bias-of-f-for-all"),
        (
            "dh * o * (1 - np.tanh(c) ** 2)",
            "dh * (o * (1 - np.tanh(c)) ** 2)",
            "grad-cell-slope-square-of-1-minus-tanh-c",
        ),
    ],
}
