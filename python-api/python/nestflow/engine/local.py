"""The local engine: the compiled module in this process, one session for each pipeline."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from ..options import LEGACY_PIPELINE_OPTIONS, byte_size, folder, progress_wish, warn_unknown
from ..plan.encode import encode_plan
from ..plan.nodes import Keep
from .hadoop import HadoopFiles
from .lifetime import Closing
from .native import answer, describe, is_measured, native
from .progress import display
from .surroundings import here, kits

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from ..plan.nodes import LogicalPlan
    from ..resources import Surroundings
    from . import Check
    from .progress import Progress

HOSTS = ("auto", "in_process", "workers", "embedded")
"""Where user functions run: in this interpreter, in processes of their own, or as the engine sees fit.

The interpreter of the process that runs tasks, which `embedded` asks for, is this one."""

_LIMITS = ("memory_limit", "worker_memory_limit")
_KNOWN = frozenset({*_LIMITS, "threads", "host", "tmp_dir", "progress"}) | LEGACY_PIPELINE_OPTIONS


class LocalEngine(Closing):
    """Executes plans on the threads of this machine."""

    parts: int | None = 1

    def __init__(self, options: dict[str, Any]) -> None:
        """Check the options; the session is opened by the first run.

        Raises:
            ValueError: an impossible value of an option.
        """
        warn_unknown(options, _KNOWN, "Pipeline.create")
        self._options = _session_options(options)
        self._progress = progress_wish(options.get("progress"))
        self._session: int | None = None
        self._hadoop = HadoopFiles(options)

    def run(self, plan: LogicalPlan, surroundings: Surroundings, check: Check) -> dict[str, object]:
        """Execute a plan and describe what was done; on an error nothing of it is kept."""
        module, session = native(), self._opened()
        kit = surroundings.pack(partial(self._hadoop.fetch, check), kits())
        with display(self._progress) as shown, self._hadoop.around(plan, check, shown) as near:
            progress = _checked(check, shown)
            encoded = encode_plan(near.plan)
            summary: dict[str, object]
            if kit is None:
                summary = answer(module.run, session, encoded, progress)
            elif self._options["host"] == "in_process":
                with here(kit) as around:
                    summary = answer(module.run, session, encoded, progress, around)
            else:
                told = json.dumps([kit.name, [kit.folder]]), kit.ends
                summary = answer(module.run, session, encoded, progress, told)
            try:
                near.put()
            except BaseException:
                _forget(module, session, plan)
                raise
        return summary

    def explain(self, plan: LogicalPlan, form: str) -> str:
        """Describe what `run` would do with a plan.

        Raises:
            ValueError: a form that does not exist.
        """
        if not is_measured(form):
            return describe(encode_plan(plan), form, tuple)
        with self._hadoop.described(plan) as near:
            return near.readable(describe(encode_plan(near.plan), form, lambda: (self._opened(),)))

    def fetch(self, cache: int, check: Check) -> list[tuple[Any, ...]]:
        """Give the rows of a kept dataset, in order."""
        check()
        rows: list[tuple[Any, ...]] = answer(native().fetch, self._opened(), cache)
        return rows

    def _opened(self) -> int:
        self._check_open()
        if self._session is None:
            module = native()
            self._session = answer(module.open_session, self._options)
            self._at_end(_close, module, self._session, self._hadoop)
        return self._session


def _checked(check: Check, shown: Progress | None) -> Progress:
    def progress(event: dict[str, object]) -> None:
        check()
        if shown is not None:
            shown(event)

    return progress


def _forget(module: ModuleType, session: int, plan: LogicalPlan) -> None:
    """Keep nothing of a run that has failed after all."""
    for target in plan.targets:
        if isinstance(target, Keep):
            module.release(session, target.cache)


def _close(module: ModuleType, session: int, hadoop: HadoopFiles) -> None:
    module.close_session(session)
    hadoop.close()


def _session_options(options: dict[str, Any]) -> dict[str, object]:
    session: dict[str, object] = {}
    for limit in _LIMITS:
        if options.get(limit) is not None:
            session[limit] = byte_size(options[limit], limit)
    threads = options.get("threads")
    if threads is not None:
        if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
            raise ValueError(f"threads has to be a number from 1, not {threads!r}")
        session["threads"] = threads
    host = options.get("host", "auto")
    if host not in HOSTS:
        raise ValueError(f"host has to be one of {', '.join(HOSTS)}, not {host!r}")
    session["host"] = "in_process" if host == "embedded" else host
    if options.get("tmp_dir") is not None:
        session["tmp_dir"] = folder(options["tmp_dir"], "tmp_dir")
    return session
