"""The prices that come with this version: readings of Google's public price list, each with its date and source.

GPUs are per GPU; the vCPUs and memory of a machine series are given as the price of one reference machine without its
GPUs, and split by the list's own proportion of the two, which is the same in every region. A dash is a price that the
source does not have. Columns: on demand, flex-start, spot.

Sources: the SkyPilot catalogue is made from the Cloud Billing API every few hours; its copy used here is of the day on
which others read the same A100 prices from that API. H100 spot in us-central1 and all of H200 are later readings.
Flex-start prices of a series' vCPUs and memory stand in the same proportion to on demand as its GPU's.
Vertex AI's fee: 15 % of the on-demand price by SKUs billed for an a3-highgpu-8g in us-central1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from arrcoc_core.catalog.prices import Prices, Unit

FEE = 0.15
AS_OF = date(2026, 8, 2)
SOURCE = "github.com/skypilot-org/skypilot-catalog (Cloud Billing API)"
_LATER = {
    "sep": ("2026-09-26", "github.com/tgarg01/silybench-data (Cloud Billing API)"),
    "oct": ("2026-10-13", "huggingface.co/datasets/tanod/cloud-gpu-list-prices (Cloud Billing API)"),
}


class Reference(NamedTuple):
    """The machine whose price stands in the table, the list's rates in us-central1, and flex-start's share of them."""

    vcpus: int
    memory_gb: float
    vcpu_usd: float
    gib_usd: float
    flex: float | None


REFERENCES = {
    "n1": Reference(32, 208, 0.031611, 0.004237, None),  # n1-highmem-32
    "g2": Reference(12, 48, 0.024988, 0.002927, None),  # g2-standard-12
    "a2": Reference(12, 85, 0.031611, 0.004237, 0.55),  # a2-highgpu-1g
    "a3-high": Reference(208, 1872, 0.025498, 0.0022203, 0.4288),  # a3-highgpu-8g
    "a3-mega": Reference(208, 1872, 0.026924, 0.002344, 0.4277),  # a3-megagpu-8g
    "a3-ultra": Reference(224, 2952, 0.025498, 0.0022203, 0.4914),  # a3-ultragpu-8g
}

GPU_READINGS = """
us-central1              T4         0.35      -         0.1915
us-east1                 T4         0.35      -         0.1915
us-west1                 T4         0.35      -         0.1915
us-east4                 T4         0.37      -         0.1791
us-west2                 T4         0.420735  -         0.148
us-west4                 T4         0.37      -         0.1453
northamerica-northeast1  T4         0.385385  -         0.1232
southamerica-east1       T4         0.48      -         0.2394
europe-central2          T4         0.41      -         0.1894
europe-west1             T4         0.35      -         0.1396
europe-west2             T4         0.399     -         0.1164
europe-west3             T4         0.41      -         0.1714
europe-west4             T4         0.3675    -         0.1805
asia-east1               T4         0.35      -         0.1664
asia-northeast1          T4         0.37      -         0.1507
asia-northeast3          T4         0.37      -         0.1841
asia-south1              T4         0.41      -         0.1436
asia-southeast1          T4         0.37      -         0.0983
australia-southeast1     T4         0.44      -         0.199
us-central1              L4         0.56004   -         0.2862
us-east1                 L4         0.56004   -         0.2862
us-west1                 L4         0.56004   -         0.2862
us-east4                 L4         0.55821   -         0.2461
us-west4                 L4         0.63077   -         0.3489
northamerica-northeast1  L4         0.61666   -         0.3097
northamerica-northeast2  L4         0.61666   -         0.3158
europe-west1             L4         0.61666   -         0.2698
europe-west2             L4         0.63765   -         0.368
europe-west3             L4         0.66085   -         0.3636
europe-west4             L4         0.58804   -         0.3089
europe-west6             L4         0.78344   -         0.432
asia-east1               L4         0.64847   -         0.2919
asia-northeast1          L4         0.7192    -         0.4152
asia-northeast3          L4         0.7192    -         0.1951
asia-south1              L4         0.58298   -         0.2571
asia-southeast1          L4         0.69092   -         0.4146
me-central2              L4         0.89606   -         0.4232
us-central1              V100       2.48      -         1.2338
us-east1                 V100       2.48      -         1.2338
us-west1                 V100       2.48      -         1.2338
europe-west4             V100       2.604     -         0.722
asia-east1               V100       2.48      -         0.4856
us-central1              A100       2.933908  1.61365   1.5399
us-east1                 A100       2.933908  1.61365   1.5399
us-west1                 A100       2.933908  1.61365   1.5399
us-west3                 A100       3.436864  -         2.0621
us-west4                 A100       3.10156   -         1.4323
europe-west4             A100       2.933908  1.61365   1.3251
asia-southeast1          A100       3.10156   1.70586   1.7855
asia-northeast1          A100       3.10156   1.70586   1.7915
asia-northeast3          A100       3.10156   1.70586   1.5696
me-west1                 A100       3.2273    -         1.8628
us-central1              A100-80GB  3.92808   1.846198  2.1604
us-east4                 A100-80GB  4.4242    2.07937   1.5971
us-east5                 A100-80GB  4.4242    -         1.3852
europe-west4             A100-80GB  4.32521   2.03285   2.26
asia-southeast1          A100-80GB  4.84607   -         2.5409
us-central1              H100       9.796551  4.200761  5.8632    sep
us-west1                 H100       9.796551  4.200761  5.3387
us-east4                 H100       9.796551  -         3.8099
us-east5                 H100       11.03385  -         3.9167
europe-west1             H100       10.78698  -         4.0074
europe-west3             H100       11.55993  -         4.2992
europe-west4             H100       12.73552  -         4.7411
asia-south1              H100       10.18841  -         3.9749
us-central1              H100-MEGA  10.344276 4.423936  5.6299
us-west1                 H100-MEGA  10.344276 4.423936  5.6299
us-east4                 H100-MEGA  10.34428  -         2.2568
us-west4                 H100-MEGA  11.65076  -         2.3118
europe-west4             H100-MEGA  13.44756  -         4.9942
us-central1              H200       9.31174   4.57532   5.58597   oct
us-west1                 H200       9.31174   4.57532   5.58597   oct
us-east4                 H200       9.31174   -         5.02833   oct
europe-west1             H200       10.25475  4.57532   6.15139   oct
asia-south1              H200       11.17472  4.57532   6.04976   oct
us-central1              B200       16.11     8.055     4.7183
us-east1                 B200       16.11     8.055     4.7183
us-east4                 B200       16.11     8.055     4.0758
asia-southeast1          B200       19.332    -         4.9021
"""

HOST_READINGS = """
us-central1              n1         1.89285   0.63582
us-east1                 n1         1.89285   0.63582
us-west1                 n1         1.89285   0.63582
us-east4                 n1         2.13173   0.49584
us-west2                 n1         2.27355   0.87605
us-west4                 n1         2.13173   0.63709
northamerica-northeast1  n1         2.08378   1.03648
southamerica-east1       n1         3.00456   0.57184
europe-central2          n1         2.29042   0.5729
europe-west1             n1         2.08222   0.7893
europe-west2             n1         2.43862   0.57795
europe-west3             n1         2.43862   0.81618
europe-west4             n1         2.08378   1.10099
asia-east1               n1         2.19171   0.45136
asia-northeast1          n1         2.42693   0.76792
asia-northeast3          n1         2.42693   0.85805
asia-south1              n1         2.27334   0.57595
asia-southeast1          n1         2.33498   0.49258
australia-southeast1     n1         2.68568   0.91368
us-central1              g2         0.44038   0.22505
us-east1                 g2         0.44038   0.22505
us-west1                 g2         0.44038   0.22505
us-east4                 g2         0.43893   0.19349
us-west4                 g2         0.496     0.27439
northamerica-northeast1  g2         0.4849    0.24355
northamerica-northeast2  g2         0.4849    0.24833
europe-west1             g2         0.4849    0.21216
europe-west2             g2         0.50141   0.28939
europe-west3             g2         0.519     0.28584
europe-west4             g2         0.46286   0.24288
europe-west6             g2         0.57692   0.31812
asia-east1               g2         0.50991   0.22949
asia-northeast1          g2         0.56553   0.3264
asia-northeast3          g2         0.56553   0.15336
asia-south1              g2         0.45841   0.20215
asia-southeast1          g2         0.54329   0.32602
me-central2              g2         0.7046    0.33274
us-central1              a2         0.73948   0.38812
us-east1                 a2         0.73948   0.38812
us-west1                 a2         0.73948   0.38812
us-west3                 a2         0.8882    0.53286
us-west4                 a2         0.8328    0.38454
us-east4                 a2         0.83276   0.47688
us-east5                 a2         0.73948   0.28017
europe-west4             a2         0.81406   0.36774
asia-southeast1          a2         0.9122    0.52517
asia-northeast1          a2         0.94803   0.54757
asia-northeast3          a2         0.94803   0.47979
me-west1                 a2         0.81342   0.46949
us-central1              a3-high    9.46006   5.6624    sep
us-west1                 a3-high    9.46006   5.15632
us-east4                 a3-high    9.46006   3.68077
us-east5                 a3-high    10.65487  3.78186
europe-west1             a3-high    10.41647  3.86922
europe-west3             a3-high    11.16287  4.15085
europe-west4             a3-high    9.93306   3.69866
asia-south1              a3-high    9.83846   3.83947
us-central1              a3-mega    9.98816   5.44416
us-west1                 a3-mega    9.98816   5.44416
us-east4                 a3-mega    9.98816   3.88624
us-west4                 a3-mega    11.24967  3.99519
europe-west4             a3-mega    10.48757  3.90512
us-central1              a3-ultra   8.99808   5.39784   oct
us-west1                 a3-ultra   8.99808   5.39784   oct
us-east4                 a3-ultra   8.99808   4.85896   oct
europe-west1             a3-ultra   9.9092    5.94408   oct
asia-south1              a3-ultra   10.79824  5.84592   oct
"""


def _units() -> dict[str, dict[str, Unit]]:
    units: dict[str, dict[str, Unit]] = {}
    for line in GPU_READINGS.split("\n"):
        if line:
            region, gpu, on_demand, flex, spot, *later = line.split()
            units.setdefault(region, {})[f"{gpu}/gpu"] = Unit(
                on_demand=float(on_demand),
                flex=None if flex == "-" else float(flex),
                spot=float(spot),
                dates=_dates(later),
            )
    for line in HOST_READINGS.split("\n"):
        if line:
            region, series, on_demand, spot, *later = line.split()
            reference = REFERENCES[series]
            whole = reference.vcpus * reference.vcpu_usd + reference.memory_gb * reference.gib_usd
            for part, rate in (("vcpu", reference.vcpu_usd), ("ram", reference.gib_usd)):
                full = float(on_demand) * rate / whole
                units[region][f"{series}/{part}"] = Unit(
                    on_demand=full,
                    flex=None if reference.flex is None else full * reference.flex,
                    spot=float(spot) * rate / whole,
                    dates=_dates(later),
                )
    return units


def _dates(later: Sequence[str]) -> dict[str, Sequence[str]]:
    """A later reading is one of on demand and spot; flex-start's is the table's."""
    return dict.fromkeys(("on_demand", "spot"), _LATER[later[0]]) if later else {}


PRICES = Prices(as_of=AS_OF, source=SOURCE, units=_units(), fee=FEE)
