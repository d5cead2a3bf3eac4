"""Code of PyTorch, JAX, TensorFlow and Keras on trial: what has only a forward pass gets its gradients from autograd."""
