"""`but` with fields that do not exist."""

from experiments.quickstart import quickstart

wider = quickstart.but(name="wider", token=quickstart.tokens)  # expect: reportCallIssue
slower = quickstart.but(name="slower", train=quickstart.train.but(lr=1e-4))  # expect: reportCallIssue
