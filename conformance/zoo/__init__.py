"""Small NumPy LSTMs in the shapes that people write them in, each with its adapter.

The LSTMs are written as their authors would, knowing nothing of this package. The adapters are what it takes to put them on
trial: in `shapes.py` those of the five that README.md shows side by side, which `training.py` also has train themselves; in
`adapters.py`, of ten lines or fewer, those of the others.
"""
