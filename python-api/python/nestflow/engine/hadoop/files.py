"""Far files around the runs of one engine: brought before, put after."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import NestflowError, redacted
from ..interrupts import Interrupts
from .client import Client
from .inputs import Copies, listed
from .outputs import Output, put_all
from .paths import far_path, shown
from .plans import far_sinks, far_sources, over_copies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from ...plan.nodes import LogicalPlan
    from .. import Check
    from ..progress import Progress
    from .client import Watch
    from .paths import FarPath


@dataclass
class Near:
    """A plan that is over files of this machine only."""

    plan: LogicalPlan
    tree: str | None = None
    outputs: list[Output] = field(default_factory=list)
    put: Callable[[], None] = lambda: None
    """Bring what was written to where it belongs; called once, after the run."""

    def readable(self, text: str) -> str:
        """Give a text with addresses instead of the paths of copies."""
        if self.tree is None:
            return text
        return redacted(shown(shown(text, _inputs(self.tree)), _outputs(self.tree)))


class HadoopFiles:
    """The copies of an engine, and its way to where they come from."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the options of a pipeline; nothing is looked at before it is needed."""
        self._client = Client(options)
        self._parent = options.get("tmp_dir")
        self._folder: str | None = None
        self._copies: Copies | None = None

    @contextmanager
    def around(self, plan: LogicalPlan, check: Check, display: Progress | None) -> Iterator[Near]:
        """Have what a plan reads on this machine, as long as it runs.

        Raises:
            NestflowHDFSException: the client could not bring it.
            InvalidConfException: there is no client.
        """
        with self._near(plan) as near:
            if near.tree is not None:
                with Interrupts(check) as interrupts:
                    for output in near.outputs:
                        output.check(interrupts.check)
                    self._bring(far_sources(plan), near.tree, interrupts.check, display)
                near.put = lambda: _put(near.outputs, check, display)
            yield near

    @contextmanager
    def described(self, plan: LogicalPlan) -> Iterator[Near]:
        """Have files as long as those that a plan reads; none is copied."""
        with self._near(plan) as near:
            if near.tree is not None:
                with Interrupts(lambda: None) as interrupts:
                    self._bring(far_sources(plan), near.tree, interrupts.check, None, copy=False)
            yield near

    def fetch(self, check: Check, uri: str, path: str) -> None:
        """Copy a far file to a path of this machine.

        Raises:
            ValueError: the address is none.
            NestflowHDFSException: the client could not.
        """
        far = far_path(uri)
        if far is None:
            raise ValueError(f"{uri!r} is no address of a file that can be fetched")
        with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
            with Interrupts(check) as interrupts:
                self._client.run("get", far.exactly(), ".", cwd=folder, watch=interrupts.check)
            os.replace(os.path.join(folder, far.name), path)

    def close(self) -> None:
        """Remove the copies."""
        folder, self._folder, self._copies = self._folder, None, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _near(self, plan: LogicalPlan) -> Iterator[Near]:
        sinks = far_sinks(plan)
        if not sinks and not far_sources(plan):
            yield Near(plan)
            return
        tree = tempfile.mkdtemp(prefix="run-", dir=self._opened()[0])
        try:
            outputs = [
                Output(self._client, write.sink, path, path.inside(_outputs(tree))) for write, path in sinks
            ]
            near = Near(over_copies(plan, _inputs(tree), _outputs(tree)), tree, outputs)
            try:
                yield near
            except NestflowError as error:
                error.args = tuple(near.readable(part) for part in error.args)
                raise
        finally:
            shutil.rmtree(tree, ignore_errors=True)  # what is left goes with the rest

    def _bring(
        self, sources: list[FarPath], tree: str, watch: Watch, display: Progress | None, copy: bool = True
    ) -> None:
        """Have the files of sources in a tree."""
        _, copies = self._opened()
        files = listed(self._client, sources, watch)

        def step(done: int, total: int) -> None:
            watch()
            if display is not None:
                display({"copying": _names(sources), "bytes_done": done, "bytes": total})

        if copy:
            copies.bring(files, step)
        for source in sources:
            if not source.is_glob and source not in {file.path for file in files}:
                os.makedirs(source.inside(_inputs(tree)), exist_ok=True)  # it may be empty
        copies.lay(files, _inputs(tree))

    def _opened(self) -> tuple[str, Copies]:
        if self._folder is None or self._copies is None:
            self._folder = tempfile.mkdtemp(prefix="nestflow-hadoop-", dir=self._parent)
            self._copies = Copies(self._client, self._folder)
        return self._folder, self._copies


def _put(outputs: list[Output], check: Check, display: Progress | None) -> None:
    total = sum(output.size() for output in outputs)
    with Interrupts(check) as interrupts:

        def watch() -> None:
            interrupts.check()
            if display is not None:
                display({"copying": _names([output.target for output in outputs]), "bytes": total})

        put_all(outputs, watch)


def _names(paths: list[FarPath]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return redacted(f"{paths[0]}{more}")


def _inputs(tree: str) -> str:
    return f"{tree}/in"


def _outputs(tree: str) -> str:
    return f"{tree}/out"
