"""Runs plans as Spark jobs."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections import Counter
from typing import TYPE_CHECKING

from ...options import (
    LEGACY_PIPELINE_OPTIONS,
    byte_size,
    concurrency,
    folder,
    hadoop_settings,
    progress_wish,
    warn_unknown,
)
from ...plan.encode import encode_plan
from ..failure import rebuilt
from ..interrupts import Interrupts
from ..lifetime import Closing
from ..native import answer, describe, is_measured, native
from ..progress import display
from . import archives, frames, memory, settings
from .context import context, use_home
from .files import asking
from .place import place, tell
from .sizing import sizing, slots
from .temporary import Temporary
from .workers import HOSTS, host, is_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...plan.nodes import LogicalPlan
    from ...resources import Surroundings
    from .. import Check
    from .archives import Told

_KNOWN = (
    frozenset(
        {"session", "spark_conf", "job_name", "memory_limit", "host", "tmp_dir", "progress", "python_env"}
    )
    | LEGACY_PIPELINE_OPTIONS
)

_PATIENCE = 50
"""Milliseconds between two looks at a running job."""

_FAREWELL = 20
"""Seconds that a cancelled job is waited for."""


_PART = 32 << 20
"""Bytes that a part of a DataFrame or an RDD may have, as far as anybody knows."""

_METRICS = 5
"""Numbers of each stage that the JVM tells."""


class SparkEngine(Closing):
    """Executes plans in the executors of a Spark application."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Check the options; Spark is started by the first run.

        Raises:
            ValueError: an impossible value of an option.
        """
        warn_unknown(options, _KNOWN, "Pipeline.create")
        self._conf = settings.of_spark(options)
        self._home = settings.home(options)
        wish = options.get("memory_limit")
        self._memory = None if wish is None else byte_size(wish, "memory_limit")
        self._host = str(options.get("host", "auto"))
        if self._host not in HOSTS:
            raise ValueError(f"on Spark, host has to be one of {', '.join(HOSTS)}, not {self._host!r}")
        self._session = options.get("session")
        self._hadoop = hadoop_settings(options)
        self._wishes = dict(options)
        self._name = settings.name(options)
        wanted = options.get("tmp_dir")
        self._folder = None if wanted is None else folder(wanted, "tmp_dir")
        shared = options.get("tmp_data_path")
        self._temporary = None if shared is None else folder(shared, "tmp_data_path")
        self._progress = progress_wish(options.get("progress"))
        self.parts = concurrency(options, "default_concurrency")
        self._context: Any = None
        self._driver: Any = None
        self._copies: Any = None
        self._worker_memory: int | None = None
        self._compress = False
        self._kept: dict[int, dict[str, Any]] = {}
        self._forms: dict[int, frames.Form] = {}
        self._adopted: list[Any] = []

    def run(self, plan: LogicalPlan, surroundings: Surroundings, check: Check) -> dict[str, object]:
        """Execute a plan and describe what was done; on an error nothing of it is kept."""
        driver = self._opened()
        with Interrupts(check) as interrupts:
            return self._run(driver, encode_plan(plan), surroundings, interrupts)

    def _run(
        self, driver: Any, plan: bytes, surroundings: Surroundings, interrupts: Interrupts
    ) -> dict[str, object]:
        module = native()
        wishes = json.dumps(self._settings(surroundings, plan))
        run, description, data, kept = answer(module.spark_plan, plan, wishes, asking(driver, self._copies))
        keeps = json.loads(kept)
        reports, done = None, False
        try:
            try:
                with display(self._progress) as progress:
                    metrics, counts, reports = self._execute(driver, description, data, progress, interrupts)
            finally:
                answer(module.spark_end, run, reports)
            done = True
        finally:
            if not done:
                for keep in keeps:
                    driver.release(keep["cache"])
        for keep in keeps:
            self._kept[keep["cache"]] = {**keep, "bytes": driver.size(keep["cache"])}
        stages = json.loads(description)["stages"]
        counters: Counter[str] = Counter()
        for counted in counts:
            counters.update(counted)
        stages = [
            {"name": stage["name"], "tasks": len(stage["tasks"]), **_measured(metrics[at : at + _METRICS])}
            for at, stage in zip(range(0, len(metrics), _METRICS), stages, strict=True)
        ]
        return {"counters": dict(counters), "stages": stages}

    def explain(self, plan: LogicalPlan, form: str) -> str:
        """Describe what `run` would do with a plan; starts Spark, whose cores count.

        Raises:
            ValueError: a form that does not exist.
        """
        if not is_measured(form):
            return describe(encode_plan(plan), form, tuple)
        driver = self._opened()
        # Files are asked about until the end.
        with Interrupts(lambda: None):
            by = None, json.dumps(self._planning()), asking(driver, self._copies)
            return describe(encode_plan(plan), form, lambda: by)

    def fetch(self, cache: int, check: Check) -> list[tuple[Any, ...]]:
        """Give the rows of a kept dataset, in order."""
        driver = self._opened()
        with Interrupts(check) as interrupts, self._file() as path:
            run = driver.fetch(cache, path)
            error = _end(driver, run, interrupts.check)
            driver.reports(run)
            if error:
                raise _raised(error)
            with open(path, "rb") as file:
                data = file.read()
        rows: list[tuple[Any, ...]] = answer(native().spark_rows, data, self._kept[cache]["depth"])
        return rows

    def adopt(self, cache: int, data: Any) -> None:
        """Take a DataFrame or an RDD for a kept dataset.

        Raises:
            NestflowPlanningException: the data belong to another Spark.
        """
        driver = self._opened()
        rows, form = frames.parts(self._context, data)
        tasks = driver.adopt(cache, rows)
        self._forms[cache] = form
        self._kept[cache] = {"tasks": tasks, "bytes": tasks * _PART, "depth": 0}
        # What it refers to has to stay.
        self._adopted.append(data)

    def leave(self, cache: int, schema: Any) -> Callable[[], Any]:
        """Have a dataset that is to be kept be one of Spark's own; what it gives makes that after the run.

        Raises:
            ValueError: a schema that Spark does not understand.
        """
        driver = self._opened()
        form = self._forms[cache] = frames.form_of(self._context, schema)
        return lambda: frames.dataset(self._context, self._session, driver, cache, form)

    def _opened(self) -> Any:
        self._check_open()
        if self._driver is None:
            file = settings.hadoop_file(self._wishes)
            if self._home is not None:
                use_home(self._home)
            told: list[Told | None] = [None]

            def before(spark: Any, conf: Any) -> dict[str, str]:
                told[0], more = archives.before(self._wishes, spark, conf)
                return more

            self._context = context(self._session, self._conf, self._name, self._memory, before)
            self._driver = self._context._jvm.nestflow.spark.Driver(self._context._jsc)
            self._copies = Temporary(self._context._jvm)
            self._at_end(_close, self._driver, self._copies, apart=True)
            self._driver.configure(file, self._hadoop)
            # Asked for once: a look at the application's settings takes milliseconds.
            conf = self._context.getConf()
            if self._temporary is None:
                self._temporary = conf.get(archives.FOLDER, None)
            wishes = {**self._wishes, "tmp_data_path": self._temporary}
            self._place = place(self._context, conf, wishes, told[0])
            tell(self._context, self._driver, conf, self._place)
            size = sizing(conf, str(self._context.master), slots(self._context, conf))
            self._driver.sized(size.slots, size.memory, size.lent)
            self._worker_memory = size.worker
            # Once is enough: Spark compresses what it shuffles, unless it is told not to.
            self._compress = conf.get("spark.shuffle.compress", "true").lower() == "false"
            memory.tell(self._context, size, self._progress)
        return self._driver

    def _settings(self, surroundings: Surroundings, plan: bytes) -> dict[str, object]:
        return {
            **self._planning(),
            "host": host(
                self._context, self._host, surroundings, self._worker_memory, plan, self._place.interpreter
            ),
            "compress": self._compress,
        }

    def _planning(self) -> dict[str, object]:
        """What a plan's stages depend on."""
        return {
            "cores": max(1, self._context.defaultParallelism),
            "concurrency": self.parts,
            "temporary": None if is_here(self._context) else self._temporary,
            "kept": {str(cache): kept for cache, kept in self._kept.items()},
            "forms": {str(cache): form for cache, form in self._forms.items()},
        }

    def _execute(
        self,
        driver: Any,
        description: str,
        data: bytes,
        progress: Callable[[dict[str, object]], None] | None,
        interrupts: Interrupts,
    ) -> tuple[list[int], list[dict[str, int]], bytes]:
        """Run the job, and give its metrics, stage by stage, what tasks have counted, and their reports."""
        with self._file() as path:
            with open(path, "wb") as file:
                file.write(data)
            run = driver.start(description, path)

        def watch() -> None:
            interrupts.check()
            if progress is not None:
                stages, tasks, done = driver.progress(run)
                progress({"stages": stages, "tasks": tasks, "tasks_done": done})

        error = _end(driver, run, watch)
        counts: list[dict[str, int]] = json.loads(driver.counts(run))
        metrics = list(driver.metrics(run))
        reports = bytes(driver.reports(run))
        if error:
            raise _raised(error)
        return metrics, counts, reports

    def _file(self) -> _File:
        return _File(self._folder)


def _measured(metrics: list[int]) -> dict[str, float]:
    rows, rows_out, written, spilled, nanoseconds = metrics
    return {
        "rows": rows,
        "rows_out": rows_out,
        "bytes": written,
        "spilled": spilled,
        "host_seconds": nanoseconds / 1e9,
    }


class _File:
    """A temporary file that this process and its JVM share."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        handle, self._path = tempfile.mkstemp(prefix="nestflow-", dir=self._folder)
        os.close(handle)
        return self._path

    def __exit__(self, *_: object) -> None:
        os.unlink(self._path)


def _end(driver: Any, run: int, watch: Callable[[], None]) -> str:
    """Wait for the end of a run, and give the description of its error, or nothing."""
    error: str | None = None
    try:
        while True:
            error = driver.poll(run, _PATIENCE)
            if error is not None:
                return error
            watch()
    finally:
        if error is None:  # interrupted, cancelled, or the user's callback raised
            _cancel(driver, run)


def _cancel(driver: Any, run: int) -> None:
    """End a run, and wait a while for its tasks: what they write must not come after the outputs' end."""
    driver.cancel(run)
    until = time.monotonic() + _FAREWELL
    while driver.poll(run, _PATIENCE) is None and time.monotonic() < until:
        continue
    driver.reports(run)


def _close(driver: Any, copies: Temporary) -> None:
    for give_back in (driver.close, copies.remove):
        # Where the JVM is gone, all that it held is too; where one of them fails, the other does not.
        with contextlib.suppress(Exception):
            give_back()


def _raised(description: str) -> BaseException:
    """The exception of a failed job."""
    failure = json.loads(description)
    pickled = failure.get("pickled")
    failure["pickled"] = bytes.fromhex(pickled) if pickled else None
    error, cause = rebuilt(failure)
    error.__cause__ = cause
    return error
