"""Where bugs of the catalogue were seen in public: somebody's issue, its repair, or the document that invites them."""

from __future__ import annotations

SEEN = {
    "gate-order": (
        "https://github.com/CrispStrobe/CrispASR/pull/106",
        "https://github.com/tensorflow/tensorflow/issues/29308",
    ),
    "bias-doubled": (
        "https://github.com/lisa-lab/DeepLearningTutorials/issues/81",
        "https://github.com/onnx/keras-onnx/issues/98",
    ),
    "forget-bias-added": ("https://www.tensorflow.org/versions/r1.15/api_docs/python/tf/nn/rnn_cell/BasicLSTMCell",),
    "hard-sigmoid-keras2": ("https://github.com/tensorflow/tensorflow/issues/47495",),
    "cell-output-tanh-missing": ("https://github.com/nicodjimenez/lstm/issues/47",),
    "candidate-added": ("https://github.com/MartinuzziFrancesco/torchrecurrent/issues/22",),
    "h0-c0-swapped": ("https://github.com/microsoft/nni/pull/2842",),
    "c0-ignored": ("https://github.com/onnx/onnx-tensorflow/issues/408",),
    "grad-sigmoid-for-derivative": ("https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1",),
    "grad-hidden-not-carried": ("https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1",),
    "grad-cell-overwritten": (
        "https://github.com/apache/mxnet/issues/4057",
        "https://github.com/cthorey/CS231/issues/1",
    ),
    "grad-final-cell-ignored": ("https://github.com/deeplearning4j/deeplearning4j/issues/8838",),
    "grad-bias-copied": ("https://github.com/hanbt/learn_dl/issues/53",),
}
"""Slug, or family, to addresses."""
