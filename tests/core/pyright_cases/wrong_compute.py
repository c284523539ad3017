"""Fields of the wrong compute target, a device there is not, and a value that is changed in place."""

from arrcoc_core import Experiment, Local, Model, Vertex

device = Experiment(name="device", compute=Local(device="gpu"))  # expect: reportArgumentType
mixed = Experiment(name="mixed", compute=Vertex(gpu="A100", device="cuda"))  # expect: reportCallIssue
model = Experiment(name="model", compute=Model())  # expect: reportArgumentType
device.name = "other"  # expect: reportAttributeAccessIssue
