"""What the pages of the cloud are made of, without Qt's widgets: errors, rows, tables, the inventory, the question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from arrcoc_gui.cloud.resources import ResourceRows
from arrcoc_gui.cloud.trouble import Fix, Trouble, fixes_of, redact
from arrcoc_gui.experiments.cloud_plan import CloudPlanView, check_line
from arrcoc_gui.home.money import spending
from arrcoc_gui.infra.tables import InfraTables, size
from arrcoc_gui.setup.choices import KeyFound, RegionOffer, gpus_of, region_rows
from arrcoc_gui.teardown.inventory import Inventory


def texts(rows: Any) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row.cells) for row in rows]


class TestTrouble:
    def test_from_json_with_numbered_fixes(self) -> None:
        trouble = Trouble.of(
            {
                "message": "Not permitted.",
                "cause": "storage.buckets.create is denied",
                "fixes": [{"text": "Ask an owner", "command": ""}, {"text": "Then", "command": "arrcoc setup"}],
            }
        )
        assert trouble is not None
        assert trouble.as_text().splitlines() == [
            "Not permitted.",
            "storage.buckets.create is denied",
            "1. Ask an owner",
            "2. Then",
            "   arrcoc setup",
        ]
        assert Trouble.of(None) is None and Trouble.of({}) is None

    def test_from_what_a_command_wrote(self) -> None:
        said = "Traceback of a library\nerror: No credentials.\n  .training:3\n  → gcloud auth login   logs in\n"
        trouble = Trouble.of_text(said, "it failed")
        assert (trouble.message, trouble.cause) == ("No credentials.", ".training:3")
        assert trouble.fixes == (Fix("logs in", "gcloud auth login"),)
        assert Trouble.of_text("", "it failed") == Trouble("it failed")
        assert Trouble.of_text("one\ntwo", "it failed") == Trouble("it failed", "one\ntwo")

    def test_remedies_hold_commands_before_or_after_their_words(self) -> None:
        assert fixes_of("arrcoc setup   turns it on\nLog in:   gcloud auth login\nTake another region.") == (
            Fix("turns it on", "arrcoc setup"),
            Fix("Log in", "gcloud auth login"),
            Fix("Take another region."),
        )

    def test_what_the_app_may_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ARRCOC_CLOUD_ENDPOINTS", raising=False)
        monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
        runs = {command: Fix("", command).runnable for command in COMMANDS}
        assert [command for command, may in runs.items() if may] == COMMANDS[:3]
        # gcloud would act on the real account while the app is in the sandbox.
        monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", "/somewhere")
        assert not Fix("", "gcloud services enable x.googleapis.com").runnable
        assert Fix("", "arrcoc setup").runnable

    def test_a_name_that_it_may_write_for_a_person(self) -> None:
        assert Fix("Write HF_HUB_REPO_ID=ada/arr-coc there.").setting == ("HF_HUB_REPO_ID", "ada/arr-coc")
        assert Fix("WANDB_ENTITY=ada in .training logs to your own").setting == ("WANDB_ENTITY", "ada")
        for other in (
            Fix("Write HF_HUB_REPO_ID=a/b there.", "arrcoc setup"),
            Fix("WANDB_BASE_URL=https://x in .training"),
            Fix("Write HF_TOKEN=hf_x there"),
        ):
            assert other.setting is None

    def test_secrets_are_never_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "thevalueofthetoken")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/dev/null")
        text = "HF_TOKEN=thevalueofthetoken Authorization: Bearer abc.def ya29.a0Af key=/dev/null"
        assert redact(text) == "HF_TOKEN=(secret) Authorization: Bearer (secret) (secret) key=/dev/null"
        assert Trouble.of({"message": text}).message == redact(text)  # type: ignore[union-attr]


COMMANDS = [
    "arrcoc setup --project p",
    "arrcoc sandbox start",
    "gcloud services enable x.googleapis.com",
    "arrcoc teardown --confirm n",
    "arrcoc launch far",
    "arrcoc setup; rm -rf ~",
    "rm -rf /",
    "arrcoc setup 'unclosed",
]


class TestResources:
    def test_rows_in_the_order_told_and_durations_that_grow(self) -> None:
        rows = ResourceRows()
        for key in ("apis", "runs-bucket"):
            rows.apply({"type": "resource", "resource": key, "title": key.title(), "state": "waiting"}, 10.0)
        rows.apply({"type": "resource", "resource": "runs-bucket", "state": "creating", "seconds": 0.0}, 11.0)
        rows.apply({"type": "resource", "resource": "runs-bucket", "state": "creating", "detail": "gs://b"}, 12.0)
        row = rows["runs-bucket"]
        assert (row.title, row.look.word, row.detail) == ("Runs-Bucket", "creating", "gs://b")
        assert row.took(14.5) == 3.5 and rows.live
        rows.apply({"type": "resource", "resource": "runs-bucket", "state": "created", "seconds": 3.9}, 15.0)
        assert rows["runs-bucket"].took(99.0) == 3.9 and not rows.live
        assert [row.key for row in rows] == ["apis", "runs-bucket"]
        assert rows.apply({"type": "quota", "gpu": "L4"}, 15.0) is None

    def test_says_how_it_stands(self) -> None:
        rows = ResourceRows()
        states = ("ok", "created", "failed", "creating", "missing", "ok", "something new")
        for number, state in enumerate(states):
            rows.apply({"resource": f"r{number}", "state": state}, 0.0)
        assert rows.sentence() == "3 of 7 ready · 1 failed · 1 missing · 1 creating"
        assert rows["r6"].look.word == "something new"
        rows.clear()
        rows.apply({"resource": "r", "state": "removed"}, 0.0)
        assert rows.sentence() == "1 removed"

    def test_an_end_in_the_middle_leaves_nothing_at_work(self) -> None:
        rows = ResourceRows()
        for key, state in (("a", "ok"), ("b", "creating"), ("c", "waiting")):
            rows.apply({"resource": key, "state": state}, 0.0)
        rows.stop("stopped")
        assert [(row.state, row.detail) for row in rows] == [("ok", ""), ("unknown", "stopped"), ("skipped", "stopped")]
        assert not rows.live

    def test_an_error_is_in_the_words_for_screen_readers(self) -> None:
        rows = ResourceRows()
        rows.apply({"resource": "a", "title": "Bucket", "state": "failed", "error": {"message": "Name taken"}}, 0.0)
        assert rows["a"].in_words() == "Bucket: failed, Name taken"
        assert rows.troubles() == [rows["a"]]


class TestSetup:
    def test_regions_where_quota_is_granted_come_first(self) -> None:
        offers = [
            RegionOffer.of(line)
            for line in (
                region("us-west4", "L4", 0.40, 0),
                region("us-central1", "L4", 0.45, 8),
                region("asia-east1", "L4", None, None, problem="no price known"),
                region("us-central1", "T4", 0.2, -1),
            )
        ]
        assert gpus_of(offers) == ["L4", "T4"]
        assert texts(region_rows(offers, "L4")) == [
            ("us-central1", "$0.45/h", "—", "8", "—", "2026-11-01"),
            ("us-west4", "$0.40/h", "—", "none", "—", "2026-11-01"),
            ("asia-east1", "—", "—", "—", "—", "no price known"),
        ]
        assert texts(region_rows(offers, "T4"))[0][3] == "no limit"

    def test_a_key_is_named_by_its_place_only(self) -> None:
        found = KeyFound.of({"variable": "WANDB_API_KEY", "title": "W&B API key", "found": True, "where": "~/.netrc"})
        assert found.words == "W&B API key: found in ~/.netrc"
        assert "not on this machine" in KeyFound.of({"variable": "HF_TOKEN", "found": False}).words


def region(name: str, gpu: str, spot: float | None, quota: int | None, problem: str = "") -> dict[str, Any]:
    return {
        "type": "region",
        "region": name,
        "gpu": gpu,
        "spot_usd_per_h": spot,
        "spot_quota": quota,
        "price_as_of": "2026-11-01",
        "problem": problem,
    }


class TestInfra:
    def test_quotas_that_are_needed_come_first_and_say_what_is_asked_for(self) -> None:
        tables = InfraTables()
        tables.begin(0.0)
        for gpu, limit, used, needed, pending in (
            ("B200", 0, 0, 0, None),
            ("T4", 1, None, 0, None),
            ("L4", 1, 1, 1, {"wanted": 8, "granted": 4, "state": "partly granted"}),
            ("A100", None, None, 4, None),
        ):
            line = {"type": "quota", "gpu": gpu, "region": "us-central1", "kind": "spot", "metric": gpu}
            line |= {"limit": limit, "used": used, "needed": needed, "pending": pending}
            assert tables.apply(line, 1.0) == "quotas"
        rows = tables.quota_rows()
        assert [row.cells[0].text for row in rows] == ["L4", "A100", "T4", "B200"]
        assert rows[0].cells[6].text == "8 asked for, 4 granted"
        assert rows[0].cells[3].role == "warn"  # one granted, one in use, one needed
        assert rows[1].cells[3].text == "—"

    def test_each_table_loads_by_itself(self) -> None:
        tables = InfraTables()
        tables.begin(0.0)
        assert tables.states["costs"].words(3.0) == "loading · 3 s"
        tables.apply({"type": "table", "table": "costs", "state": "loaded", "seconds": 2.0}, 2.0)
        error = {"message": "The API is off."}
        tables.apply({"type": "table", "table": "quotas", "state": "failed", "error": error}, 2.0)
        assert tables.states["costs"].words(9.0) == "" and tables.states["jobs"].state == "loading"
        assert tables.states["quotas"].trouble == Trouble("The API is off.")
        tables.stop(None)
        assert tables.states["jobs"].state == "loaded"

    def test_what_it_costs_to_keep(self) -> None:
        tables = InfraTables()
        tables.apply({"type": "cost", "resource": "b", "title": "Bucket", "size_bytes": 2e9, "usd_per_month": 0.04}, 0)
        tables.apply({"type": "cost-total", "usd_per_month": 1.2, "complete": False, "as_of": "2026-11-01"}, 0)
        assert texts(tables.cost_rows()) == [("Bucket", "2.0 GB", "$0.04", "")]
        assert tables.sentence() == "At least $1.20 a month to keep (prices of 2026-11-01)"
        assert [size(n) for n in (None, 0, 10, 5e6)] == ["—", "empty", "under 1 MB", "5 MB"]


class TestTeardown:
    def test_only_what_was_typed_removes(self) -> None:
        inventory = Inventory()
        assert not inventory.allows("", "", checkpoints=False)
        inventory.apply(item("staging-bucket", 3_000_000, 0.5, removed=True))
        inventory.apply(item("runs-bucket", 9, 0.2, removed=False, why="checkpoints stay"))
        assert inventory.apply({"type": "confirm", "confirm": "ours", "confirm_checkpoints": "p-ours-runs"})
        assert not inventory.apply({"type": "done"})
        assert [len(inventory.removed), len(inventory.kept)] == [1, 1]
        assert inventory.sentence() == "1 thing, 3 MB, saves $0.50 a month"
        assert not inventory.allows("Ours", "", checkpoints=False)
        assert inventory.allows(" ours ", "", checkpoints=False)
        assert not inventory.allows("ours", "", checkpoints=True)
        assert inventory.allows("ours", "p-ours-runs", checkpoints=True)

    def test_nothing_there_is_nothing_to_confirm(self) -> None:
        inventory = Inventory(word="ours", known=True)
        assert inventory.sentence() == "nothing to remove" and not inventory.allows("ours", "", checkpoints=False)


def item(resource: str, count: int, usd: float, *, removed: bool, why: str = "") -> dict[str, Any]:
    line = {"type": "item", "resource": resource, "name": f"gs://{resource}", "size_bytes": count}
    return line | {"usd_per_month": usd, "removed": removed, "why": why}


PLAN: dict[str, Any] = {
    "cost_usd": 0.6,
    "cost_range": [0.4, 2.0],
    "estimate_s": [3600.0, 7200.0],
    "estimate_source": "your own runs",
    "cloud": {
        "gpu": "L4",
        "count": 1,
        "machines": 1,
        "endpoints": "",
        "max_cost_usd": 5.0,
        "max_hours": 10,
        "price_date": "2026-11-01",
        "rungs": [
            {
                "region": "us-central1",
                "machine_type": "g2-standard-8",
                "provisioning": "spot",
                "max_wait_s": 1800,
                "usd_per_h": 0.41,
                "usd_low": 0.41,
                "usd_high": 0.82,
            },
            {
                "region": "us-west4",
                "machine_type": "g2-standard-8",
                "provisioning": "flex",
                "max_wait_s": 1800,
                "usd_per_h": None,
                "usd_low": None,
                "usd_high": None,
            },
        ],
    },
}


class TestLaunch:
    def test_the_ladder_has_a_price_for_each_rung_or_says_that_there_is_none(self) -> None:
        assert texts(CloudPlanView("far", PLAN).ladder()) == [
            ("1.", "us-central1", "g2-standard-8", "spot, $0.41/h", "30 min", "$0.41 to $0.82"),
            ("2.", "us-west4", "g2-standard-8", "flex start, price unknown", "30 min", "—"),
        ]

    def test_the_question_names_the_dollars_and_the_cap(self) -> None:
        title, text, button = CloudPlanView("far", PLAN).question()
        assert (title, button) == ("Launch far for about $0.60?", "Launch for about $0.60")
        assert "$0.41 an hour" in text and "$0.40 to $2.00" in text and "cancelled at $5.00" in text
        assert "You pay Google" in text
        whole = CloudPlanView("budgets", PLAN, runs=3)
        assert whole.question()[0] == "Launch 3 runs of budgets for about $1.80?"
        assert whole.headline() == "About $1.80, between $1.20 and $6.00"

    def test_it_says_where_it_logs_where_the_selector_goes_and_through_which_queue(self) -> None:
        checks = [{"name": "W&B", "ok": True, "detail": "online as ada at https://api.wandb.ai"}]
        queue = {"name": "q", "entity": "lab", "url": "", "project": "p", "values": {}, "agents": 0, "waiting": 2}
        held = PLAN | {"checks": checks, "queue": queue, "hub": {"repo": "ada/arr-coc", "private": True}}
        view = CloudPlanView("far", held)
        notes = [words for words, _ in view.notes()]
        assert "Through the queue lab/q: no agent polls it: the launch starts one on this machine" in notes
        assert "Logs online as ada at https://api.wandb.ai" in notes
        assert "Hub: ada/arr-coc (private), when it has succeeded" in notes
        text = view.question()[1]
        assert "No agent polls it: one is started here." in text and "online as ada" in text and "ada/arr-coc" in text
        assert "nothing is uploaded" in CloudPlanView("far", PLAN).hub

    def test_in_the_sandbox_it_says_that_nothing_is_paid(self) -> None:
        held = PLAN | {"cloud": PLAN["cloud"] | {"endpoints": "/x/sandbox", "max_cost_usd": 0.0}}
        title, text, button = CloudPlanView("far", held).question()
        assert title == "Launch far in the sandbox?" and button == "Launch in the sandbox"
        assert "nothing is paid" in text and "No cap is set" in text

    def test_without_a_price_it_says_so(self) -> None:
        held = PLAN | {"cost_usd": None, "cost_range": None}
        view = CloudPlanView("far", held)
        assert view.headline() == "The price is not known"
        assert view.question()[0] == "Launch far?" and "What it costs is not known." in view.question()[1]

    def test_a_row_of_the_preflight_has_five_states(self) -> None:
        row = {"name": "GPU quota", "ok": False, "detail": "0 granted", "remedy": "arrcoc setup   asks for it"}
        failed = check_line(row)
        assert failed["state"] == "failed" and failed["title"] == "GPU quota"
        assert failed["error"]["fixes"] == [{"text": "asks for it", "command": "arrcoc setup"}]
        states = [check_line(row | more)["state"] for more in ({"ok": True}, {"unknown": True}, {"skipped": True})]
        assert states == ["passed", "unknown", "skipped"]
        assert check_line("credentials") == {"resource": "credentials", "title": "Credentials", "state": "waiting"}


def test_money_of_the_sandbox_is_told_apart() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)

    def run(cost: float, *, days: int, sandbox: bool = False, target: str = "vertex", live: bool = False) -> Any:
        attempt = SimpleNamespace(ended_at=None if live else now, usd_per_h=0.41)
        return SimpleNamespace(
            target=target,
            sandbox=sandbox,
            cost_usd=cost,
            created_at=now - timedelta(days=days),
            finished=not live,
            attempts=(attempt,),
        )

    runs = [
        run(1.0, days=0, live=True),
        run(2.0, days=40),
        run(9.0, days=1, sandbox=True),
        run(0, days=0, target="local"),
    ]
    real = spending(runs, now, sandbox=False)
    assert real is not None
    assert [text for text, _ in real.lines()] == [
        "1 run now, $0.41 an hour",
        "$1.00 this month",
        "$3.00 in all, 2 runs",
    ]
    rehearsed = spending(runs, now, sandbox=True)
    assert rehearsed is not None and rehearsed.total == 9.0
    assert spending(runs[3:], now, sandbox=False) is None
