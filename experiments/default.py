"""Leaves out every field: what `.training` says, else the built-in defaults. `arrcoc launch` without a name runs it."""

from arrcoc_core import Experiment

default = Experiment(name="default")
