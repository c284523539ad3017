"""An experiment without a name, and one whose fields are given by position."""

from arrcoc_core import Experiment, Tokens

unnamed = Experiment(tokens=Tokens(keep=4))  # expect: reportCallIssue
positional = Experiment("positional")  # expect: reportCallIssue
