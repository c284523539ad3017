"""quickstart on a rented GPU: the whole way to the cloud and back. `arrcoc --sandbox launch cloud` rehearses it."""

from arrcoc_core import Hub, Vertex, WandbLaunch
from experiments.quickstart import quickstart

cloud = quickstart.but(
    name="cloud",
    compute=Vertex(gpu="L4", spot=True, regions=("us-central1", "us-east4"), max_cost_usd=2),
    hub=Hub(),  # left out: the selector goes to HF_HUB_REPO_ID of .training, if that is set
    tags=("tiny", "cloud"),
    notes="The tiny model needs no GPU: this shows setup, image, spot capacity, resume and results for a few cents.",
)

queued = cloud.but(
    name="queued",
    compute=WandbLaunch(
        queue="vertex-ai-queue", vertex=Vertex(gpu="L4", spot=True, regions=("us-central1",), max_cost_usd=2)
    ),
    tags=("tiny", "cloud", "queue"),
    notes="The same through a W&B Launch queue: an agent takes it from there and submits it to Vertex AI.",
)
