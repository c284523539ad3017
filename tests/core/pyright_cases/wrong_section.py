"""A plain number and another section where a section belongs."""

from arrcoc_core import Experiment, Train

number = Experiment(name="number", tokens=4)  # expect: reportArgumentType
swapped = Experiment(name="swapped", data=Train(seed=1))  # expect: reportArgumentType
