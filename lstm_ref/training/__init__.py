"""Training of one LSTM layer: a dense head, losses, optimizers, gradient clipping and a loop, in NumPy alone.

model = Model(lstm_ref.initial.keras(rng, D=1, H=32), Dense.glorot(rng, 32, 1, last_step=True))
for update in train(model, [(x, target)], half_squared_error, Adam(1e-3), epochs=100):
    print(update.number, update.loss)
"""

from lstm_ref.training.clipping import ClipByNorm, ClipByValue
from lstm_ref.training.heads import Dense, softmax
from lstm_ref.training.loop import Update, train
from lstm_ref.training.losses import (
    cross_entropy,
    first_unit_squared_error,
    half_squared_error,
    mean_squared_error,
)
from lstm_ref.training.model import Differentiated, Model, differentiate
from lstm_ref.training.optimizers import SGD, Adam

__all__ = [
    "SGD",
    "Adam",
    "ClipByNorm",
    "ClipByValue",
    "Dense",
    "Differentiated",
    "Model",
    "Update",
    "cross_entropy",
    "differentiate",
    "first_unit_squared_error",
    "half_squared_error",
    "mean_squared_error",
    "softmax",
    "train",
]
