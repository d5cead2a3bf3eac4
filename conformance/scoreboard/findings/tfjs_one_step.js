// tf.layers.lstm raises when it is differentiated by its input and the sequence has one step.
//
// @tensorflow/tfjs 4.22.0, Node.js, CPU backend in JavaScript, Linux x86_64.
//
// What was run: tf.grad of the sum of an LSTM layer's output by its input, for sequences of one, two and three steps, and central
// differences of the layer's own output.
//
// Expected: a gradient of the input's shape. Actual: with one step an error is thrown; with more the gradient agrees with the
// differences.
//
// Where: rnn() in tfjs-layers/src/layers/recurrent.ts takes steps apart with tf.unstack, whose gradient is tf.stack.
"use strict";
const tf = require("@tensorflow/tfjs");

tf.enableProdMode();
tf.setBackend("cpu");
console.log("tfjs", tf.version.tfjs, "node", process.version);
for (const T of [1, 2, 3]) {
  const layer = tf.layers.lstm({ units: 2, returnSequences: true, kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }), recurrentInitializer: tf.initializers.glorotUniform({ seed: 2 }) });
  const values = Array.from({ length: 2 * T * 3 }, (_, k) => Math.sin(k + 1));
  const sum = (x) => tf.sum(layer.apply(x));
  const at = (k, step) => tf.tensor(values.map((value, place) => value + (place === k ? step : 0)), [2, T, 3]);
  sum(at(0, 0));
  try {
    const gradient = tf.grad(sum)(at(0, 0));
    const difference = (sum(at(0, 1e-2)).dataSync()[0] - sum(at(0, -1e-2)).dataSync()[0]) / 2e-2;
    console.log(`T=${T}: shape ${gradient.shape}, first ${gradient.dataSync()[0].toFixed(4)}, by differences ${difference.toFixed(4)}`);
  } catch (error) {
    console.log(`T=${T}: ${error}`);
  }
}
