"""Small NumPy LSTMs in the shapes that people write them in, each with its adapter of ten lines or fewer.

The LSTMs are written as their authors would, knowing nothing of this package; the adapters, in
`adapters.py`, are what it takes to put them on trial.
"""
