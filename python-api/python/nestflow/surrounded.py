"""What a pipeline can be told about the processes that run its functions: files, modules, hooks, counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import counter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .resources import Surroundings


class Surrounded:
    """The part of `Pipeline` that is about surroundings."""

    _surroundings: Surroundings

    def add_file(
        self,
        source: str | bytes,
        resource_path: str | None = None,
        executable: bool = False,
        from_bytes: bool = False,
    ) -> None:
        r"""Bring a file to wherever functions run: from the next run on they find it under a relative path.

        A pipeline with resources runs its functions in worker processes, each in a directory of its
        own that holds them; with ``host="in_process"`` functions find them by
        `nestflow.resources.resource`. Modules (``.py``) can be imported. A file that holds the same
        as before is not sent again.

        Args:
            source: the path of a file, also an address that Hadoop knows (``hdfs://…``); or its bytes.
            resource_path: where functions find it; the file's name if not given.
            executable: whether it can be executed there.
            from_bytes: `source` is what the file holds.

        Raises:
            ValueError: no such file, or a path that leads out of the directory.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.add_file(b"berlin\nparis\n", "cities.txt", from_bytes=True)
        """
        self._surroundings.add_file(source, resource_path, executable, from_bytes)

    def add_directory(
        self, dir_path: str, resource_path: str = "", is_only_python_files_accepted: bool = False
    ) -> None:
        """Bring the files below a directory, hidden ones left out; see `add_file`.

        Args:
            dir_path: the directory; it may be hidden itself.
            resource_path: the directory where functions find its files.
            is_only_python_files_accepted: bring only modules (``.py``, ``.pyc``, ``.egg``).

        Raises:
            ValueError: not a directory.

        Example:
            >>> import nestflow as nf, os, tempfile
            >>> folder = tempfile.mkdtemp()
            >>> with open(os.path.join(folder, "cities.txt"), "w") as file:
            ...     print("berlin", file=file)
            >>> p = nf.Pipeline.create("local")
            >>> p.add_directory(folder, "data")
        """
        self._surroundings.add_directory(dir_path, resource_path, is_only_python_files_accepted)

    def add_egg_file(self, path: str) -> None:
        """Bring modules that functions can import: an egg, a wheel, a zip, or a directory of modules.

        Args:
            path: the file or the directory.

        Raises:
            ValueError: there is no such file.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").add_egg_file("missing.whl")
            Traceback (most recent call last):
            ValueError: add_egg_file: there is no 'missing.whl'
        """
        self._surroundings.add_egg_file(path)

    def add_archive(self, path: str, resource_path: str) -> None:
        """Bring an archive, which functions find unpacked; see `add_file`.

        Args:
            path: a ``.tar.gz``, ``.tgz``, ``.tar``, ``.zip`` or ``.jar``.
            resource_path: the directory where functions find what it holds.

        Raises:
            ValueError: no such file, or no such archive.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").add_archive("model.rar", "model")
            Traceback (most recent call last):
            ValueError: add_archive: 'model.rar' is not one of .tar.gz, .tgz, .tar, .zip, .jar
        """
        self._surroundings.add_archive(path, resource_path)

    def set_init_hook(self, name: str, fn: Callable[[], object]) -> None:
        """Have a function called in each worker process before it runs other functions.

        Hooks are called in the order of their names. One of the same name is replaced. They stay for
        all later runs; what they raise fails the run. With ``host="in_process"`` they are called at
        the start of each run.

        Args:
            name: the hook's name.
            fn: takes nothing; pickled now.

        Raises:
            ValueError: not a function.

        Example:
            >>> import locale
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.set_init_hook("0_locale", lambda: locale.setlocale(locale.LC_ALL, "C"))
        """
        self._surroundings.set_hook("init", name, fn)

    def set_fini_hook(self, name: str, fn: Callable[[], object]) -> None:
        """Have a function called in each worker process before it ends.

        As for `set_init_hook`. So that what they raise can fail the run, the processes of a pipeline
        with such hooks end with each run; on Spark, where nobody in an executor knows the end of a
        run, with each task, which fails, and is tried again as others are.

        Args:
            name: the hook's name.
            fn: takes nothing; pickled now.

        Raises:
            ValueError: not a function.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.set_fini_hook("9_last", lambda: print("the last word of a worker"))
        """
        self._surroundings.set_hook("fini", name, fn)

    def reset_counter(self, name: str) -> None:
        """Forget a counter of this process; see `nestflow.counter`.

        Args:
            name: as it was counted; it need not exist.

        Raises:
            NestflowRuntimeException: called by a user function.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").reset_counter("bad lines")
        """
        counter.reset(name)

    def reset_all_counters(self) -> None:
        """Forget all counters of this process.

        Raises:
            NestflowRuntimeException: called by a user function.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").reset_all_counters()
        """
        counter.reset_all()
