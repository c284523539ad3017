"""A base model that there is not, and one that is to be trained."""

from arrcoc_core import Experiment, Model

unknown = Experiment(name="unknown", model=Model(base="Qwen/Qwen3-VL-3B-Instruct"))  # expect: reportArgumentType
trained = Experiment(name="trained", model=Model(base="tiny", freeze_base=False))  # expect: reportArgumentType
