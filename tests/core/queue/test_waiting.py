"""Why an item waits: what is said of it for each way the queue and its agents may be."""

from __future__ import annotations

from arrcoc_core.queue.records import Item, LaunchAgent, agent_of, item_of, seconds
from arrcoc_core.queue.waiting import alive, busy_with, ordinal, silent_s, standing

NOW = 1_000_000.0


def item(name: str, state: str = "PENDING", *, run: str = "", agent: str = "", at: float = 0.0) -> Item:
    return Item(name, state, run or f"run-{name}", agent, NOW - 100 + at)  # pyright: ignore[reportArgumentType]


def agent(
    name: str = "a", status: str = "POLLING", *, heard: float = 5.0, stop: bool = False, slots: int = 1
) -> LaunchAgent:
    return LaunchAgent(name, name, "box", status, NOW - heard, ("q",), stop, {"max_jobs": slots})


def reason(mine: Item, others: list[Item], agents: list[LaunchAgent], **more: object) -> str:
    return standing(mine, [*others, mine], agents, queue_id="q", server_now=NOW, **more).reason  # pyright: ignore[reportArgumentType]


def test_nobody_polls() -> None:
    mine = item("m")
    assert reason(mine, [], []) == "no agent polls the queue"
    assert "agent a on box has ended" in reason(mine, [], [agent(status="KILLED")])
    assert "agent a on box is not heard of any more" in reason(mine, [], [agent(heard=91)])
    other = LaunchAgent("b", "b", "box", "POLLING", NOW, ("another queue",))
    assert reason(mine, [], [other]) == "no agent polls the queue"
    assert "arrcoc agent --detach" in standing(mine, [mine], [], server_now=NOW).remedy


def test_all_slots_are_busy() -> None:
    mine = item("m", at=9)
    taken = [item("x", "CLAIMED", agent="a", at=1), item("y", "CLAIMED", agent="a", at=2)]
    assert reason(mine, taken, [agent(status="RUNNING")]) == "the slot of agent a on box is busy with run-y"
    two = reason(mine, taken, [agent(status="RUNNING", slots=2)])
    assert two == "all 2 slots of agent a on box are busy with run-y, run-x"
    assert reason(mine, taken, [agent(status="RUNNING")], over={"run-y"}).endswith("busy with run-x")
    behind = reason(mine, [*taken, item("z", at=3)], [agent(status="RUNNING")])
    assert behind == "the slot of agent a on box is busy with run-y; 1 item is ahead"


def test_others_are_ahead_and_positions() -> None:
    mine = item("m", at=9)
    before = [item("x", at=1), item("y", at=2), item("gone", "FAILED", at=0)]
    found = standing(mine, [*before, mine], [agent()], server_now=NOW)
    assert (found.position, found.reason) == (3, "2 items are ahead")
    assert standing(mine, [mine], [agent()], server_now=NOW).reason == "agent a on box takes it next"
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 21, 112)] == [
        "first",
        "second",
        "third",
        "4th",
        "11th",
        "21st",
        "112th",
    ]


def test_a_paused_queue_and_one_that_is_being_taken() -> None:
    mine = item("m")
    assert "paused: agent a on box was told at W&B to stop polling" in reason(mine, [], [agent(stop=True)])
    assert reason(item("m", "LEASED", agent="a"), [], [agent()]) == "agent a on box is taking it"


def test_what_is_said_of_a_waiting_run_changes_only_with_the_facts() -> None:
    mine, dead = item("m"), agent(heard=500)
    later = standing(mine, [mine], [dead], server_now=NOW + 1000)
    assert later == standing(mine, [mine], [dead], server_now=NOW)


def test_an_agent_lives_by_the_servers_clock() -> None:
    assert alive(agent(heard=89), NOW) and not alive(agent(heard=91), NOW)
    assert not alive(agent(status="KILLED"), NOW) and not alive(LaunchAgent("a", "a", "", "POLLING", None), NOW)
    assert silent_s(1) == 90 and silent_s(100) == 15, "on a busy machine an agent may be silent for a while"


def test_what_the_server_leaves_out_is_not_known() -> None:
    bare = item_of({"id": 1, "state": "PENDING", "associatedRunId": None})
    assert (bare.id, bare.run_id, bare.created_at, bare.spec) == ("1", "", None, {})
    full = item_of({"id": "2", "state": "FAILED", "runSpec": '{"run_id": "r"}', "error": {"message": "why"}})
    assert (full.run_id, full.error) == ("r", "why")
    told = agent_of({"id": "a", "agentConfig": '{"max_jobs": 3}', "heartbeatAt": "2026-01-02T03:04:05"})
    assert told.slots == 3 and told.heartbeat_at == seconds("2026-01-02T03:04:05Z")
    assert agent_of({"id": "a"}).slots is None and busy_with(agent_of({"id": "a"}), []) == []
