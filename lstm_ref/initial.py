"""Weights for a layer that is yet to be trained, drawn as Keras and PyTorch draw them: by distribution, not by bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_ref.params import FloatArray, LSTMParams


def keras(
    rng: np.random.Generator,
    D: int,
    H: int,
    *,
    bias: bool = True,
    unit_forget_bias: bool = True,
    dtype: npt.DTypeLike = np.float32,
) -> LSTMParams:
    """Weights as a new ``keras.layers.LSTM`` has them.

    The kernel is Glorot's uniform, within ±√(6 / (D + 4H)). The rows of the recurrent kernel are orthonormal, and of all
    such matrices none is likelier than another. The bias is zero, and 1 for the forget gate.

    Parameters
    ----------
    rng : numpy.random.Generator
        What is drawn from.
    D, H : int
    bias : bool
    unit_forget_bias : bool
        Whether the forget gate's bias is 1 rather than 0.
    dtype : dtype

    Returns
    -------
    params : LSTMParams
        kernel (D, 4H), recurrent_kernel (H, 4H), bias (4H,) or None.

    Notes
    -----
    Source: https://keras.io/api/layers/recurrent_layers/lstm/ and https://keras.io/api/layers/initializers/; Glorot & Bengio
    2010, Saxe, McClelland & Ganguli 2014, and for the forget gate Jozefowicz, Zaremba & Sutskever 2015.
    """
    limit = (6 / (D + 4 * H)) ** 0.5
    kernel = rng.uniform(-limit, limit, (D, 4 * H))
    q, r = np.linalg.qr(rng.standard_normal((4 * H, H)))
    recurrent = (q * np.sign(np.diag(r))).T  # by itself the factorisation prefers some signs
    b = np.repeat([0.0, float(unit_forget_bias), 0.0, 0.0], H) if bias else None
    return _params(dtype, kernel=kernel, recurrent_kernel=recurrent, bias=b)


def pytorch(
    rng: np.random.Generator,
    D: int,
    H: int,
    *,
    bias: bool = True,
    P: int | None = None,
    dtype: npt.DTypeLike = np.float32,
) -> LSTMParams:
    """Weights as one layer and direction of a new ``torch.nn.LSTM`` has them.

    All are uniform within ±1/√H; the bias is the sum of two such.

    Parameters
    ----------
    rng : numpy.random.Generator
        What is drawn from.
    D, H : int
    bias : bool
    P : int, optional
        The units of a projection, PyTorch's ``proj_size``.
    dtype : dtype

    Returns
    -------
    params : LSTMParams
        kernel (D, 4H), recurrent_kernel (H, 4H) or (P, 4H), bias (4H,) or None, projection (H, P) or None.

    Notes
    -----
    Source: https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html, "All the weights and biases are initialized from".
    """
    limit = H**-0.5

    def drawn(*shape: int) -> FloatArray:
        return rng.uniform(-limit, limit, shape)

    return _params(
        dtype,
        kernel=drawn(D, 4 * H),
        recurrent_kernel=drawn(P or H, 4 * H),
        bias=drawn(4 * H) + drawn(4 * H) if bias else None,
        projection=drawn(H, P) if P else None,
    )


def _params(dtype: npt.DTypeLike, **arrays: FloatArray | None) -> LSTMParams:
    given = {name: np.ascontiguousarray(array, dtype) for name, array in arrays.items() if array is not None}
    return LSTMParams(**given)
