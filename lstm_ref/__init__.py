"""A plain NumPy LSTM, forward and backward, that loads weights exported from PyTorch and Keras.

    network = lstm_ref.load("model.pt")
    output, (h, c) = network(x)

Gate blocks are in the order i, f, c, o and arrays are batch-first, always.
"""

from lstm_ref import errors, initial
from lstm_ref.formats import LSTMInfo, PartInfo, inspect, load
from lstm_ref.gradients import Gradients, LayerGradients, WeightGradients
from lstm_ref.layer import Dropout, Layer
from lstm_ref.network import Network, Run
from lstm_ref.options import Options
from lstm_ref.params import LSTMParams, from_torch, reorder_gates

__version__ = "0.1.0"

__all__ = [
    "Dropout",
    "Gradients",
    "LSTMInfo",
    "LSTMParams",
    "Layer",
    "LayerGradients",
    "Network",
    "Options",
    "PartInfo",
    "Run",
    "WeightGradients",
    "errors",
    "from_torch",
    "initial",
    "inspect",
    "load",
    "reorder_gates",
]
