"""A field of a section that does not exist."""

from arrcoc_core import Experiment, Tokens

misspelt = Experiment(name="misspelt", tokens=Tokens(kep=4))  # expect: reportCallIssue
