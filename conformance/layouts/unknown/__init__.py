"""Weights of unknown layout: the gate order, transposition, concatenation and biases that reproduce a known run.

A file's arrays are given every role that their shapes allow (`roles`, `forms`, `biases`), all gate
orders are looked at quickly (`options`, `screen`), the nearest are run in full (`search`), and the verdict is one,
several or none (`finding`, `remarks`).
"""
