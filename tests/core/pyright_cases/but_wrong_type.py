"""`but` with values of the wrong type."""

from experiments.quickstart import quickstart

text = quickstart.but(name="text", tokens=quickstart.tokens.but(keep="8"))  # expect: reportArgumentType
section = quickstart.but(name="section", tokens=quickstart.data)  # expect: reportArgumentType
upload = quickstart.but(name="upload", hub=quickstart.hub.but(private="yes"))  # expect: reportArgumentType
listed = quickstart.but(name="listed", tags=["a", "b"])  # expect: reportArgumentType
