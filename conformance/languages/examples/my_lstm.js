// TensorFlow.js's own LSTM layer, as it serves cases to lstm-conformance check --process "node my_lstm.js".
//
//     npm ci
"use strict";
const readline = require("node:readline");

console.log = console.info = console.warn = console.error; // standard output is for answers
const tf = require("@tensorflow/tfjs");

// Of a sequence of one step, the layer of 4.22.0 cannot be differentiated: its cell is called instead, unless that is to be seen.
const AS_IT_IS = process.argv.includes("--as-it-is");

const decoded = ({ shape, data }) => {
  const bytes = Buffer.from(data, "base64"); // little-endian, as every machine that Node runs on
  return tf.tensor(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), shape);
};

const encoded = (tensor) => {
  const { buffer, byteOffset, byteLength } = tensor.dataSync();
  return { dtype: "float32", shape: tensor.shape, data: Buffer.from(buffer, byteOffset, byteLength).toString("base64") };
};

// tf.layers.lstm has the gates in the order i, f, c, o, as Keras has them.
function results(a) {
  const layer = tf.layers.lstm({
    units: a.h0.shape[1],
    kernelInitializer: "zeros", // they are replaced
    recurrentInitializer: "zeros",
    recurrentActivation: "sigmoid",
    returnSequences: true,
    returnState: true,
  });
  const whole = (x, h, c) => layer.apply(x, { initialState: [h, c] });
  const oneStep = (x, h, c) => {
    const [output, finalH, finalC] = layer.cell.call([tf.squeeze(x, [1]), h, c], {});
    return [tf.expandDims(output, 1), finalH, finalC];
  };
  const run = a.x.shape[1] === 1 && !AS_IT_IS ? oneStep : whole;
  whole(a.x, a.h0, a.c0); // makes its weights
  layer.setWeights([a.kernel, a.recurrent_kernel, a.bias]);
  const loss = (x, h, c) => {
    const [output, finalH, finalC] = run(x, h, c);
    return tf.addN([[output, a.d_output], [finalH, a.d_h], [finalC, a.d_c]].map(([y, dy]) => tf.sum(tf.mul(y, dy))));
  };
  const [output, h, c] = run(a.x, a.h0, a.c0);
  const [d_x, d_h0, d_c0] = tf.grads(loss)([a.x, a.h0, a.c0]);
  const names = ["d_kernel", "d_recurrent_kernel", "d_bias"];
  const variables = layer.trainableWeights.map((weight) => weight.val);
  const { grads } = tf.variableGrads(() => loss(a.x, a.h0, a.c0), variables);
  const found = { output, h, c, d_x, d_h0, d_c0 };
  names.forEach((name, k) => (found[name] = grads[variables[k].name]));
  return found;
}

function answer(message) {
  if ("protocol" in message) {
    return { protocol: "lstm-conformance", version: 1, arrays: "base64", dtypes: ["float32"] };
  }
  const each = (object, change) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
  tf.engine().startScope();
  try {
    return { call: message.call, results: each(results(each(message.arrays, decoded)), encoded) };
  } catch (error) {
    console.error(error);
    return { call: message.call, error: String(error) };
  } finally {
    tf.engine().endScope();
    tf.disposeVariables();
  }
}

tf.enableProdMode(); // without advice on how to be faster
tf.setBackend("cpu");
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
});
