"""Stands for the compiled module: the same functions, over the slow engine of `evaluate`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from decode import decode_plan
from evaluate import Evaluation, RunError

from nestflow.host import counting
from nestflow.plan.nodes import Effect, Keep, LogicalPlan, Write

__all__ = ["RunError", "close_session", "encode", "explain", "fetch", "open_session", "release", "run"]

sessions: dict[int, dict[int, Any]] = {}
options: dict[int, dict[str, Any]] = {}
plans: list[LogicalPlan] = []


def open_session(given: dict[str, Any]) -> int:
    session = len(options)
    sessions[session] = {}
    options[session] = given
    return session


def close_session(session: int) -> None:
    sessions.pop(session)


def run(session: int, plan: bytes, progress: Any) -> dict[str, Any]:
    decoded = decode_plan(plan)
    plans.append(decoded)
    held = sessions[session]
    evaluation = Evaluation(decoded, {cache: data for cache, (data, _) in held.items()})
    kept = {}
    outer = counting.enter()
    counts: dict[str, int] = {}
    try:
        for target in decoded.targets:
            match target:
                case Keep(node, cache):
                    kept[cache] = (evaluation.data(node), pickle.dumps(evaluation.rows(node)))
                case Effect(node):
                    evaluation.data(node)
                case Write():
                    evaluation.data(target.node)
    finally:
        counts = counting.leave(outer) or {}
    for target in decoded.targets:
        if isinstance(target, Write):
            evaluation.write(target)
    held.update(copy.deepcopy(kept))
    if progress is not None:
        progress({"stage": 1, "stages": 1, "rows": 0})
    return {"counters": counts, "stages": [{"name": "all", "rows": 0, "bytes": 0, "seconds": 0.0}]}


def fetch(session: int, cache: int) -> list[tuple[Any, ...]]:
    return pickle.loads(sessions[session][cache][1])


def release(session: int, cache: int) -> None:
    sessions[session].pop(cache)


def explain(plan: bytes, form: str, session: int | None = None) -> str:
    decoded = decode_plan(plan)
    return f"{form}\n" + "  → target\n" * len(decoded.targets)


def targets_in(explained: str) -> int:
    """How many targets a text of `explain` has, of this module or of the compiled one."""
    return explained.partition("\nstages\n")[0].count("→")


def encode(records: list[Any]) -> list[bytes]:
    import cloudpickle

    return [cloudpickle.dumps(records)] if records else []
