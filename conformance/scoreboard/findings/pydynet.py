"""pydynet's tanh loses the digits of small numbers.

pydynet 1.1, NumPy 2.4.6, Linux x86_64, Python 3.11.

What was run: tanh of small float64 numbers, beside numpy.tanh.

Expected: agreement to about 1e-16 of the number, as tanh(x) is x to that precision there. Actual: at 1e-7 nine digits are
right, at 1e-17 none. Where numbers are of the size of 1 nothing is lost.

Where: pydynet/core/tensor.py, class tanh: 2 / (1 + exp(-2x)) - 1 subtracts two numbers that are nearly the same. numpy.tanh
does not overflow, which the comment there gives as the reason.
"""

import numpy as np
import pydynet as pdn
import pydynet.nn.functional as F

print(f"{'x':>8}{'pydynet':>26}{'numpy':>26}{'relative':>12}")
for x in (0.5, 1e-3, 1e-7, 1e-12, 1e-17):
    actual, expected = float(F.tanh(pdn.Tensor(np.array([x]))).data[0]), np.tanh(x)
    print(f"{x:>8g}{actual:>26.17g}{expected:>26.17g}{abs(actual / expected - 1):>12.1e}")
