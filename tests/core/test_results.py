"""What a run came to, in words: the same for the terminal and the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from arrcoc_core import Experiment, Local, Tokens, load_settings, resolve, sweep
from arrcoc_core.cli.frames import progress_line, run_frame
from arrcoc_core.cli.result_view import result_text
from arrcoc_core.metrics import open_metrics
from arrcoc_core.references import accuracy_text, all_judged_by
from arrcoc_core.resolved import ResolvedExperiment
from arrcoc_core.results import previous_of, summarize
from arrcoc_core.standing import home_summary
from arrcoc_core.sweep_results import summarize_sweep

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
GOOD = {
    "eval/accuracy": 0.986,
    "eval/accuracy_full": 0.998,
    "eval/accuracy_uniform": 0.31,
    "eval/accuracy_random": 0.27,
    "eval/accuracy_teacher": 0.99,
    "eval/accuracy_shuffled_question": 0.45,
    "tokens/kept": 4.0,
    "tokens/total": 64.0,
}

BY_PEOPLE = {
    **GOOD,
    "eval/accuracy": 0.01,
    "eval/accuracy_full": 0.02,
    "eval/accuracy_shuffled_question": 0.01,
    "eval/vqa_accuracy": 0.625,
    "eval/vqa_accuracy_full": 0.75,
    "eval/vqa_accuracy_uniform": 0.5,
    "eval/vqa_accuracy_random": 0.4,
    "eval/vqa_accuracy_teacher": 0.65,
}
"""Of a base that knows the answers and does not write them as the data set does."""


@dataclass
class Progress:
    phase: str = "training"
    step: int = 120
    total_steps: int = 300
    fraction: float = 0.4
    samples_per_s: float | None = None


@dataclass
class Result:
    """The attributes of a run that results are made from."""

    resolved: ResolvedExperiment
    id: str = "quickstart-1"
    experiment: str = "quickstart"
    fingerprint: str = "f" * 12
    code: str = "c" * 12
    state: str = "succeeded"
    cause: str = ""
    created_at: datetime = NOW
    started_at: datetime | None = NOW
    ended_at: datetime | None = NOW + timedelta(seconds=130)
    summary: Mapping[str, float] = field(default_factory=lambda: dict(GOOD))
    sweep: str | None = None
    directory: Path = Path("/nowhere")
    progress: Progress | None = None
    eta_s: float | None = None
    target: str = "local"
    attempts: tuple[object, ...] = ()
    uploaded: None = None
    finished: bool = True


@pytest.fixture
def resolved(tmp_path: Path) -> ResolvedExperiment:
    return resolve(Experiment(name="quickstart", tokens=Tokens(keep=4), compute=Local()), load_settings(tmp_path))


def test_a_good_run(resolved: ResolvedExperiment, tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result/selector.safetensors").touch()
    run = Result(resolved, directory=tmp_path)
    before = Result(resolved, id="quickstart-0", created_at=NOW - timedelta(days=1), code="d" * 12)
    before.summary = {**GOOD, "eval/accuracy": 0.974}
    result = summarize(run, before)
    assert result.sentence == "quickstart answers 98.6 % right with 4 of 64 visual tokens (all of them: 99.8 %)."
    assert result.change == "+1.2 points on the run before (code changed)"
    assert [row.label for row in result.rows][:3] == ["this selector", "all tokens", "uniform"]
    assert "one full pass over all 64 visual tokens" in result.teacher_note
    assert "99.0 %" in result.teacher_note
    assert result.selector_path == tmp_path / "result/selector.safetensors"
    assert len(result.load_snippet.splitlines()) == 3
    compile(result.load_snippet, "snippet", "exec")
    assert result.next_step.command == "arrcoc launch quickstart --set tokens.keep=2"
    assert result.next_step.sets == ("tokens.keep=2",)


def test_where_several_people_answered_the_vqa_accuracy_is_what_a_run_comes_to(resolved: ResolvedExperiment) -> None:
    run = Result(resolved, summary=BY_PEOPLE)
    before = Result(resolved, id="quickstart-0", summary={**BY_PEOPLE, "eval/vqa_accuracy": 0.6})
    result = summarize(run, before)
    assert result.sentence == (
        "quickstart answers 62.5 % right with 4 of 64 visual tokens (all of them: 75.0 %), by the VQA accuracy."
    )
    assert result.change == "+2.5 points on the run before"
    assert summarize(run, Result(resolved)).change == ""  # it has exact matches only: nothing to compare with
    # Nobody measured by it what the selector does with another question: no line says so.
    assert [(row.label, row.text) for row in result.rows] == [
        ("this selector", "62.5 %"),
        ("all tokens", "75.0 %"),
        ("uniform", "50.0 %"),
        ("random", "40.0 %"),
        ("teacher", "65.0 %"),
    ]
    assert "answers 65.0 % right" in result.teacher_note and "VQA accuracy" in result_text(result)
    assert result.next_step.text == "It loses 12.5 points to all tokens: try twice as many, 8 of 64."


def test_doors_show_the_vqa_accuracy_where_there_is_one(
    resolved: ResolvedExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # where the line of references is the longest that fits
    assert (accuracy_text(GOOD), accuracy_text(BY_PEOPLE), accuracy_text({})) == ("98.6 %", "62.5 % VQA", "—")
    assert all_judged_by([BY_PEOPLE, {}]) == "eval/vqa_accuracy"
    assert all_judged_by([BY_PEOPLE, GOOD]) == all_judged_by([]) == "eval/accuracy"
    run = Result(resolved, summary=BY_PEOPLE, directory=tmp_path, progress=Progress())
    assert progress_line(run) == "quickstart: succeeded  VQA accuracy 62.5 %"  # type: ignore[arg-type]
    frame = run_frame(run, open_metrics(tmp_path), lambda _: (), NOW)  # type: ignore[arg-type]
    assert any("r random 40.0 %  u uniform 50.0 %  a all tokens 75.0 %" in line for line in frame)
    assert progress_line(Result(resolved)) == "quickstart: succeeded  accuracy 98.6 %"  # type: ignore[arg-type]


def test_a_sweep_is_judged_by_what_all_of_its_runs_have(resolved: ResolvedExperiment) -> None:
    runs = [Result(resolved, summary=BY_PEOPLE), Result(resolved, summary={**BY_PEOPLE, "eval/vqa_accuracy": 0.7})]
    found = summarize_sweep(runs, name="budgets")
    assert (found.metric, found.best_index) == ("eval/vqa_accuracy", 1)
    assert found.sentence == "budgets: 2 of 2 runs ended; best 70.0 %, by the VQA accuracy."
    mixed = summarize_sweep([*runs, Result(resolved)], name="budgets")
    assert (mixed.metric, mixed.best_index, mixed.rows[0].text) == ("eval/accuracy", 2, "1.0 %")


@pytest.mark.parametrize(
    ("changes", "proposal"),
    [
        ({"eval/accuracy": 0.80, "eval/accuracy_teacher": 0.81}, "--set tokens.keep=8"),
        ({"eval/accuracy": 0.80}, "--set train.epochs=2"),
        ({"eval/accuracy": 0.20, "eval/accuracy_full": 0.30}, "arrcoc show quickstart"),
        ({"eval/accuracy": 0.80, "eval/accuracy_shuffled_question": 0.79}, "--set train.epochs=2"),
        ({"eval/accuracy": 0.80, "eval/accuracy_teacher": 0.81, "tokens/kept": 64.0}, "--set train.epochs=2"),
        ({"tokens/kept": 1.0}, "arrcoc new harder --from quickstart"),
    ],
)
def test_the_proposal_follows_from_the_result(
    resolved: ResolvedExperiment, changes: dict[str, float], proposal: str
) -> None:
    assert proposal in summarize(Result(resolved, summary={**GOOD, **changes})).next_step.command


def test_runs_that_did_not_succeed_say_how_far_and_why(resolved: ResolvedExperiment) -> None:
    failed = Result(resolved, state="failed", cause="killed twice without progress", summary={}, progress=Progress())
    result = summarize(failed)
    assert result.sentence == "quickstart failed after 2 min at step 120 of 300: killed twice without progress."
    assert result.next_step.command == "arrcoc logs quickstart-1"
    assert result.selector_path is None
    cancelled = Result(resolved, state="cancelled", started_at=None, ended_at=NOW, summary={})
    assert summarize(cancelled).sentence == "quickstart was cancelled before it started."
    running = Result(resolved, state="running", ended_at=None, summary={}, progress=Progress())
    assert summarize(running).sentence == "quickstart is running, step 120 of 300."


def test_previous_is_the_last_success_of_that_name(resolved: ResolvedExperiment) -> None:
    def at(days: int, name: str, **more: str) -> Result:
        return Result(resolved, id=f"{name}{days}", created_at=NOW - timedelta(days=days), **more)

    runs = [
        at(0, "now"),
        at(1, "failed", state="failed"),
        at(2, "other", experiment="other"),
        at(3, "old"),
        at(4, "older"),
    ]
    found = previous_of(runs[0], runs)
    assert found is runs[3]
    assert previous_of(runs[4], runs) is None


def test_a_sweep_marks_the_best_and_on_a_tie_the_cheapest(tmp_path: Path) -> None:
    base = Experiment(name="quickstart", compute=Local())
    points = sweep(base, {"tokens.keep": [8, 4, 2], "train.seed": [1]}, name="budgets")
    runs = []
    for point, accuracy in zip(points, (0.99, 0.99, 0.7), strict=True):
        resolved = resolve(point, load_settings(tmp_path))
        kept = float(resolved.experiment.tokens.keep)
        runs.append(
            Result(
                resolved,
                id=point.name,
                experiment=point.name,
                sweep="budgets",
                summary={"eval/accuracy": accuracy, "tokens/kept": kept},
            )
        )
    summary = summarize_sweep(runs)
    assert summary.fields == ("tokens.keep",)
    assert [row.values for row in summary.rows] == [(8,), (4,), (2,)]
    assert [row.best for row in summary.rows] == [False, True, False]
    assert summary.points_for_chart == ((2.0, 0.7), (4.0, 0.99), (8.0, 0.99))
    assert summary.sentence == "budgets: 3 of 3 runs ended; best 99.0 % with tokens.keep = 4."
    runs[1].state = "running"
    assert summarize_sweep(runs).rows[1].text == "—"


def test_home_for_a_newcomer_and_later(resolved: ResolvedExperiment) -> None:
    fresh = home_summary([], None, NOW)
    assert fresh.next_step.command == "arrcoc launch quickstart --watch"
    assert (fresh.running, fresh.recent, fresh.needs_user) == ((), (), ())

    running = Result(
        resolved, id="now", state="running", created_at=NOW, ended_at=None, progress=Progress(), eta_s=70.0
    )
    failed = Result(resolved, id="bad", experiment="mine", state="failed", cause="out of memory", summary={})
    done = [Result(resolved, id=f"done-{day}", created_at=NOW - timedelta(days=day)) for day in range(1, 8)]
    for run in done:
        run.ended_at = run.created_at + timedelta(minutes=2)
    home = home_summary([running, failed, *done], None, NOW)
    assert home.running[0].text == "quickstart: running, step 120 of 300, about 1 min 10 s left"
    assert home.running[0].fraction == pytest.approx(0.4)
    assert len(home.recent) == 5
    assert home.recent[1].change == "the same as the run before"
    assert home.needs_user[0].run_id == "bad"
    assert home.next_step.command == "arrcoc monitor now"

    again = Result(resolved, id="good", experiment="mine", created_at=NOW + timedelta(hours=1))
    assert home_summary([again, failed], None, NOW).needs_user == ()
