"""Members of pipelines that programs ask for and that take no part in a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .errors import NestflowRuntimeException
from .serde import DefaultSerde, of
from .util.path_util import rm_rf

if TYPE_CHECKING:
    from .plan.nodes import LogicalPlan, Target
    from .serde import Serde


class PipelineMembers:
    """What a pipeline says of itself."""

    _id: str
    _options: dict[str, Any]
    _default_serde: Serde

    estimate_concurrency = False
    """Kept for programs that set it: the engine looks at the sizes of inputs in any case."""

    def id(self) -> str:
        """Give the pipeline's id, a uuid.

        Example:
            >>> import nestflow as nf
            >>> len(nf.Pipeline.create("local").id())
            36
        """
        return self._id

    def config(self) -> dict[str, Any]:
        """Give the options that the pipeline was made with.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local", job_name="visits").config()
            {'job_name': 'visits'}
        """
        return dict(self._options)

    def default_objector(self) -> Serde:
        """Give the serde where none is known: the option ``default_serde``, or the one for any value.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").default_objector()
            any()
            >>> nf.Pipeline.create("local", default_serde=(int, str)).default_objector()
            tuple_of(int_(), str_())
        """
        return self._default_serde

    def plan(self, cache_id: object = None) -> LogicalPlan:
        """Give the plan of what is pending, as the engine would get it; opaque.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").plan().targets
            ()
        """
        return self._plan(self._pending_targets())

    def async_run(self) -> None:
        """Refuse: a run blocks until it is done; use a thread for another one.

        Raises:
            NestflowRuntimeException: always.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").async_run()
            Traceback (most recent call last):
            nestflow.errors.NestflowRuntimeException: async_run is not available: use run() in a thread
        """
        raise NestflowRuntimeException("async_run is not available: use run() in a thread")

    def _pending_targets(self) -> list[Target]:
        raise NotImplementedError

    def _plan(self, targets: list[Target]) -> LogicalPlan:
        raise NotImplementedError

    def _path_exists(self, path: str) -> bool:
        from .engine.hadoop.client import Client
        from .engine.hadoop.paths import far_path

        far = far_path(path)
        return os.path.lexists(path) if far is None else Client(self._options).kind(far) is not None

    def _force_delete_file(self, path: str) -> None:
        from .engine.hadoop.client import Client
        from .engine.hadoop.paths import far_path

        far = far_path(path)
        if far is None:
            rm_rf(path)
        else:
            Client(self._options).remove(far)


def default_serde(wanted: object) -> Serde:
    """Give the serde that the option ``default_serde`` stands for.

    Raises:
        ValueError: it is neither a serde nor a type that one can be made of.

    Example:
        >>> default_serde(None), default_serde(int)
        (any(), int_())
    """
    if wanted is None:
        return DefaultSerde()
    try:
        return of(wanted)
    except AssertionError as error:
        raise ValueError(f"default_serde has to be a serde or a type: {error}") from None
