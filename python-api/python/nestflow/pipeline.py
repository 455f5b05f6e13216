"""`Pipeline`: where datasets come from, and what makes them happen.

Holds the plan under construction and what is pending; an engine, chosen by name, does the work.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from threading import RLock, local
from typing import TYPE_CHECKING

from . import counter
from .cancelling import Cancelling
from .engine import by_name
from .errors import InvalidDataException, InvalidLogicalPlanException, NestflowPlanningException
from .frames import to_spark
from .keys import nested_dict
from .literal import parallelized
from .output.user import UserOutputBase
from .pcollection import PCollection, collection_at
from .pipeline_members import PipelineMembers, default_serde
from .plan.builder import ROOT, PlanBuilder
from .plan.callsite import call_site
from .plan.nodes import Effect, Keep, Materialized, Values, Write
from .pobject import PObject
from .ptable import PTable
from .ptype import PType
from .resources import Surroundings
from .surrounded import Surrounded
from .transforms.call import check_visible, leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Any

    from .engine import Check, Engine
    from .plan.nodes import CallSite, LogicalPlan, Target
    from .ptype import Dataset


class Pipeline(PipelineMembers, Surrounded, Cancelling):
    """A program of datasets and transforms; nothing is computed before `run` or a dataset's ``get``.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> p.parallelize(["a", "b", "a"]).distinct().count().get()
        2
    """

    def __init__(self, kind: str, engine: Engine, options: dict[str, Any] | None = None) -> None:
        """Use `Pipeline.create`."""
        import uuid

        self._kind = kind
        self._id = str(uuid.uuid4())
        self._engine = engine
        self._options = dict(options or {})
        self._default_serde = default_serde(self._options.get("default_serde"))
        self._builder = PlanBuilder()
        self._around = local()
        self._lock = RLock()
        self._running = set()
        self._pending: list[Target] = []
        self._marked: dict[int, None] = {}
        self._commits: dict[int, Callable[[], Any]] = {}
        self._held: dict[int, int] = {}
        self._caches = 0
        self._surroundings = Surroundings()
        self._before_run_hooks: dict[str, Callable[[], object]] = {}
        self._after_run_hooks: dict[str, Callable[[], object]] = {}
        self.last_run: dict[str, object] = {}
        """What the engine says of the last run that succeeded. ``"stages"``: for each, ``name``, ``tasks``,
        ``rows`` read, ``rows_out`` and ``bytes`` put out, bytes ``spilled`` for want of memory, and
        ``host_seconds`` that tasks waited for user functions; locally also ``seconds`` of wall time."""

    @staticmethod
    def create(kind: str, **options: Any) -> Pipeline:
        """Make a pipeline on an engine.

        Args:
            kind: ``"local"`` or ``"spark"``, in any case.
            options: ``default_serde`` (a serde, or a type that ``serde.of`` takes): what records keep to
                where no other serde is given or follows. For local: ``memory_limit`` (bytes or
                ``"64MB"``), ``threads``, ``host`` (``"auto"``, ``"in_process"``, ``"workers"``),
                ``worker_memory_limit`` (of each worker process), ``tmp_dir``, ``progress`` (True, False or a
                function of a dict), and for files of ``hdfs:`` and the like ``hadoop_client_path`` (the
                command ``hadoop``), ``hadoop_config_path`` (a directory or a file), ``hadoop_conf``. For
                spark: ``spark_conf`` (settings, where no Spark is active yet), ``session`` (a SparkSession),
                ``memory_limit`` (of an executor's native code, beside its JVM), ``host``
                (``"workers"``, or ``"embedded"``: inside the executors),
                ``job_name``, ``tmp_dir``, ``progress``. Unknown ones warn and are ignored.

        Raises:
            ValueError: no engine of that name, or an impossible value of an option.

        Example:
            >>> Pipeline.create("LOCAL", threads=2)  # doctest: +ELLIPSIS
            LOCAL: ...
        """
        return Pipeline(str(kind).upper(), by_name(kind, options), options)

    def parallelize(self, data: object, serde: Any = None, **options: Any) -> Any:
        """Make a dataset of Python data, which are stored now: later changes are not seen.

        Args:
            data: a list gives a PCollection; a dict a PTable, nested as deep as its first values are
                dicts, of PCollections if its leaves are lists, of PObjects otherwise; anything else
                a PObject. ``{}`` gives a table without keys; ``{k: []}`` one with an empty group.
            serde: what records keep to, of a table tuples of all keys and the value; a serde, or a type that
                ``serde.of`` takes. None: the pipeline's default.
            options: hints, without effect on the result.

        Raises:
            InvalidDataException: a record that the serde does not fit.
            ValueError: a dataset, a dict whose leaves do not agree, or what cannot be stored, such as
                a generator.

        Only a list is a list of records: ``range(3)`` and a tuple are one value each.

        Example:
            >>> p = Pipeline.create("local")
            >>> p.parallelize([1]), p.parallelize((1, 2)), p.parallelize({"a": {"b": [1]}})
            ([...], o, {k0: {k1: [...]}})
        """
        return parallelized(self, data, {**options, "serde": serde})

    def read(self, source: Any) -> Any:
        """Make a dataset of a source, such as ``nf.TextFile(path)``; files are looked at by the run.

        Raises:
            ValueError: not a source.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").read(nf.TextFile("logs/*.txt"))
            [...]
        """
        make = getattr(source, "_read", None)
        if make is None or isinstance(source, type):
            raise ValueError(f"read needs a source such as nestflow.TextFile(path), not {source!r:.100}")
        return make(self)

    def write(self, pvalue: PType, target: Any) -> None:
        r"""Write a dataset at the next run, once; of a table, the values of all groups.

        Args:
            pvalue: a PCollection, PObject or PTable; without records the target is still made.
            target: such as ``nf.output.TextFile(path)``.

        Raises:
            ValueError: not a dataset, or not a target.
            NestflowPlanningException: a table whose values are a tuple; or an output of the same run has
                the same path.

        Example:
            >>> import nestflow as nf
            >>> import tempfile
            >>> p = nf.Pipeline.create("local")
            >>> folder = tempfile.mkdtemp()
            >>> p.write(p.parallelize(["a", "b"]), nf.output.TextFile(folder + "/out"))
            >>> p.run()
            >>> open(folder + "/out/part-00000").read()
            'a\nb\n'
        """
        site = call_site("write")
        if isinstance(target, UserOutputBase) and isinstance(pvalue, PType):
            check_visible(self, pvalue, site)
            if pvalue._scope != ROOT:
                leaf, node = self._of_all_groups(pvalue, site)
                pvalue = collection_at(self, ROOT, node, leaf._serde)
            target._effect(pvalue)
            self._commits[self._pending[-1].node] = target.get_commiter
            return
        make = getattr(target, "_sink", None)
        if make is None or isinstance(target, type):
            raise ValueError(
                f"write needs a target such as nestflow.output.TextFile(path), not {target!r:.100}"
            )
        if not isinstance(pvalue, PType):
            raise ValueError(f"write needs a PCollection, PObject or PTable, not {pvalue!r:.100}")
        check_visible(self, pvalue, site)
        leaf, node = self._of_all_groups(pvalue, site)
        sink = make(self._builder, leaf)
        for write in self._pending:
            if isinstance(write, Write) and write.sink.path.rstrip("/") == sink.path.rstrip("/"):
                raise NestflowPlanningException(
                    f"two outputs of this run write to {sink.path}, the first at "
                    f"{self._builder.site_at(write.site)}. Each needs a directory of its own"
                )
        self._pending.append(Write(node, sink, self._builder.site(site)))

    def _of_all_groups(self, pvalue: PType, site: CallSite) -> tuple[Dataset, int]:
        """Give the dataset that holds the data, and the node that has them all outside of any group."""
        leaf = pvalue._leaf("write")
        node, levels = leaf._node, self._builder.depth(leaf._scope)
        return leaf, self._builder.add(ROOT, Values(node, levels), False, site) if levels else node

    def run(self) -> None:
        """Do all writes and foreach that have not been done, and keep what `cache` has marked.

        A run that fails changes nothing: the next one does all of it again.

        Raises:
            RunCancelledException: another thread has called `cancel`.

        Example:
            >>> p = Pipeline.create("local")
            >>> kept = p.parallelize([1]).cache()
            >>> p.run()
            >>> kept.get()
            [1]
        """
        with self._cancellable() as check:
            self._run((), check)

    def get(self, pvalue: PType) -> Any:
        """Run everything that is pending and give the data of a dataset.

        Raises:
            ValueError: not a dataset, or one of another pipeline.
            InvalidDataException: a PObject without a value, a dataset inside `apply_values`, or a key
                that a dict cannot have.
            NestflowPlanningException: a table whose values are a tuple.
            RunCancelledException: another thread has called `cancel`.

        Example:
            >>> p = Pipeline.create("local")
            >>> p.get(p.parallelize([1, 2]))
            [1, 2]
        """
        if not isinstance(pvalue, PType):
            raise ValueError(f"get needs a PCollection, PObject or PTable, not {pvalue!r:.100}")
        if pvalue._pipeline is not self:
            raise ValueError(f"get: a {type(pvalue).__name__} of another pipeline")
        if pvalue._scope != ROOT:
            raise InvalidDataException(
                f"get: the {type(pvalue).__name__} made by {pvalue._made_at()} lives inside the groups of "
                f"{self._builder.opener_site(pvalue._scope)}, without data "
                "of its own; get the table that apply_values gives"
            )
        leaf = pvalue._leaf("get")
        with self._cancellable() as check:
            if leaf._node not in self._held:
                self._run((leaf._node,), check)
            rows = self._engine.fetch(self._held[leaf._node], check)
        if isinstance(pvalue, PTable):
            return nested_dict(rows, many=isinstance(leaf, PCollection))
        values = [row[0] for row in rows]
        return _the_value(pvalue, values) if isinstance(pvalue, PObject) else values

    def to_spark(self, pvalue: PCollection | PObject, schema: Any = None) -> Any:
        """Run everything that is pending and give a dataset as a DataFrame or an RDD of pyspark.

        It stays in the executors, in memory and on disk, until the pipeline ends; after that, Spark computes
        it again where it is used. No record passes through this process.

        Args:
            pvalue: a PCollection or PObject.
            schema: of the DataFrame, a ``StructType`` or a text such as ``"name string, age int"``. Records
                are dicts with its columns (one that is missing is null) or tuples. Without: an RDD of them.

        Raises:
            ValueError: something else, or a text that is no schema.
            InvalidDataException: a record that a column cannot hold as it is: nothing is rounded or left out.
            NestflowPlanningException: the pipeline is not on Spark.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("spark", session=spark)  # doctest: +SKIP
            >>> p.to_spark(p.parallelize([("ann", 3)]), "name string, age int").show()  # doctest: +SKIP
        """
        check_visible(self, pvalue, call_site("to_spark"))
        return to_spark(self, pvalue, schema)

    def explain(self, form: str = "text", code: bool = False) -> str:
        """Describe what the next `run` would do.

        Args:
            form: ``"text"``, ``"logical"``, ``"stages"`` or ``"mermaid"``.
            code: show instead the Python code that is written around the functions of each stage.

        Raises:
            ValueError: another form.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> ones = p.parallelize([1]).map(str).cache()
            >>> "stage" in p.explain("stages")
            True
        """
        return self._explain("code" if code else form, ())

    def close(self) -> None:
        """Give back what the engine holds: the pipeline cannot run any more. Closing twice is harmless.

        Example:
            >>> p = Pipeline.create("local")
            >>> p.close()
        """
        self._engine.close()

    def __enter__(self) -> Pipeline:
        """Give the pipeline itself, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close the pipeline."""
        self.close()

    def __repr__(self) -> str:
        """Show the engine and the pipeline's id."""
        return f"{self._kind}: {self._id}" if vars(self) else "<a pickled pipeline, without anything in it>"

    if not TYPE_CHECKING:  # or no misspelt name would be found

        def __getattr__(self, name: str) -> Any:
            """Say what a pipeline is where it was pickled with a function of records."""
            if not vars(self) and not name.startswith("__"):
                raise InvalidLogicalPlanException(
                    f"a pipeline cannot be used inside a function that works on records ({name} is asked "
                    "for): make the dataset outside, and pass it to the transform as a side input"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle to an empty shell: a record function may hold an object that holds the pipeline."""
        return object.__new__, (Pipeline,)

    def _set_before_run_hook(self, name: str, fn: Callable[[], object]) -> None:
        self._before_run_hooks[name] = _hook(fn)

    def _set_after_run_hook(self, name: str, fn: Callable[[], object]) -> None:
        self._after_run_hooks[name] = _hook(fn)

    @property
    def _scope(self) -> int:
        """The scope that this thread is in: that of the innermost lifted function that it is calling."""
        return getattr(self._around, "scope", ROOT)

    @property
    def _entered(self) -> dict[int, int]:
        """The scopes that this thread is in, with the first node of the second time, or 0."""
        entered: dict[int, int] = getattr(self._around, "entered", {})
        return entered

    @contextmanager
    def _within(self, scope: int) -> Iterator[bool]:
        """Be inside the groups of a scope; gives whether this thread is there already."""
        outside, entered = self._scope, self._entered
        again = scope in entered
        self._around.scope = scope
        self._around.entered = {**entered, scope: self._builder.size() if again else 0}
        try:
            yield again
        finally:
            self._around.scope, self._around.entered = outside, entered

    def _mark(self, pvalue: PType) -> None:
        self._marked[pvalue._leaf("cache")._node] = None

    def _add_effect(self, node: int) -> None:
        self._pending.append(Effect(node))

    def _run(self, wanted: Iterable[int], check: Check, others: Iterable[Keep] = ()) -> None:
        with self._lock:
            before = dict(self._before_run_hooks)
            try:
                check()  # perhaps while it waited for another thread's run
                _call_all(self._before_run_hooks)
                self._run_pending(wanted, check, others)
            except BaseException:
                for name, hook in before.items():
                    self._before_run_hooks.setdefault(name, hook)
                raise
            _call_all(self._after_run_hooks)

    def _run_pending(self, wanted: Iterable[int], check: Check, others: Iterable[Keep]) -> None:
        pending = list(self._pending)
        marked = list(self._marked)
        keeps = self._keeps(dict.fromkeys((*marked, *wanted)))
        if pending or keeps or others:
            plan = self._plan([*pending, *keeps, *others])
            self.last_run = self._engine.run(plan, self._surroundings, check)
            counter._record(self.last_run.setdefault("counters", {}))  # type: ignore[arg-type]
            self._held.update((keep.node, keep.cache) for keep in keeps)
            del self._pending[: len(pending)]
            for node in marked:
                self._marked.pop(node, None)
            _commit_all([self._commits.pop(target.node, None) for target in pending])

    def _keeps(self, nodes: Iterable[int]) -> list[Keep]:
        keeps = []
        for node in nodes:
            if node not in self._held:
                self._caches += 1
                keeps.append(Keep(node, self._caches))
        return keeps

    def _pending_targets(self) -> list[Target]:
        return list(self._pending)

    def _plan(self, targets: Iterable[Target]) -> LogicalPlan:
        return self._builder.plan(targets, [Materialized(n, c) for n, c in list(self._held.items())])

    def _explain(self, form: str, pvalues: Iterable[PType]) -> str:
        nodes = dict.fromkeys(leaf._node for pvalue in pvalues for leaf in leaves(pvalue))
        if nodes:
            targets: list[Target] = []
        else:
            targets, nodes = list(self._pending), self._marked
        # Names that no kept dataset has; nothing is kept by explaining.
        keeps = (Keep(node, self._caches + number) for number, node in enumerate(nodes, 1))
        return self._engine.explain(self._plan([*targets, *keeps]), form)


def _the_value(pvalue: PObject, values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    raise InvalidDataException(
        f"get: the PObject made by {pvalue._made_at()} has no value, since its dataset was empty. Use "
        "aggregate with a zero instead of reduce or sum to have one always"
        if not values
        else f"get: the PObject made by {pvalue._made_at()} has {len(values)} values instead of one"
    )


def _commit_all(targets: list[Callable[[], Any] | None]) -> None:
    """Call what users' targets have to commit, each once; at the end, raise what the first one did.

    An interrupt ends it at once.
    """
    failed: list[Exception] = []
    for get_commiter in targets:
        try:
            commiter = None if get_commiter is None else get_commiter()
            if commiter is not None:
                getattr(commiter, "commit", commiter)()
        except Exception as error:
            failed.append(error)
    for other in failed[1:]:
        warnings.warn(f"another commiter of this run has failed too: {other!r:.200}", RuntimeWarning, 2)
    if failed:
        raise failed[0]


def _hook(fn: Callable[[], object]) -> Callable[[], object]:
    if not callable(fn):
        raise NestflowPlanningException(f"a hook has to be callable, not {fn!r:.100}")
    return fn


def _call_all(hooks: dict[str, Callable[[], object]]) -> None:
    """Call hooks in the order of their names; each is called once, by a run that succeeds."""
    called = [hooks[name] for name in sorted(hooks)]
    hooks.clear()
    for hook in called:
        hook()
