"""Looking before leaping: what a launch in the cloud needs and only the cloud knows, cheapest first. Creates nothing.

    found = preflight(plan, settings, on_check=print)
    found.require()               PlanError, and nothing was created
    apply([found.refine(plan)])   the plan, less the places without quota and the secrets that are not there

Rows, in this order: credentials, project, billing, APIs, roles, GPU quota, CPU quota, buckets, service accounts,
secrets, W&B and Hub where they are used, image, price, and the queue where the plan has one. They are looked at in
parallel and told strictly in order. One that depends on a failed one is skipped; one that does not answer in time, or
may not be looked at, is unknown, which is neither failed nor fine. A run on this machine has `preflight_here`: W&B and
the Hub, as far as it uses them.
"""

from arrcoc_core.preflight.checking import CHECKS as CHECKS
from arrcoc_core.preflight.checking import Preflight as Preflight
from arrcoc_core.preflight.checking import preflight as preflight
from arrcoc_core.preflight.checking import preflight_here as preflight_here
from arrcoc_core.preflight.checking import rows_of as rows_of
