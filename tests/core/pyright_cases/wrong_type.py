"""A number written as text."""

from arrcoc_core import Data, Experiment, Train

wrong = Experiment(
    name="wrong",
    train=Train(learning_rate="1e-4"),  # expect: reportArgumentType
    data=Data(image_size=64.0),  # expect: reportArgumentType
)
