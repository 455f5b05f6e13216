"""Calls `nestflow.spark.Native`, by reflection, and drives tasks of planned jobs by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nestflow.bundle import product

if TYPE_CHECKING:
    import nestflow as nf

NOTHING, DONE, NEED, BLOCK = range(4)

MEMORY = 64 << 20


class JavaError(Exception):
    """What Java threw: the name of its class, and its message."""


class Native:
    """The functions of native code, in the JVM of the driver, of whichever class loader."""

    def __init__(self, context: Any, loader: Any) -> None:
        """Load the library as the jar does."""
        self._jvm, self._gateway = context._jvm, context._gateway
        built = product.FOLDER / "libnestflow_jni.so"
        (place,) = loader.loadClass("nestflow.spark.Place").getConstructors()
        nothing = loader.loadClass("scala.collection.immutable.Nil$").getField("MODULE$").get(None)
        arguments = (str(built), product.build()["library"], "", nothing)
        load = self._method(loader, "Library$", "load")
        path = self._jvm.java.io.File(str(built)).toPath()
        self.invoke(load, self._module(loader, "Library$"), place.newInstance(self._list(arguments)), path)
        self.folder = self._jvm.java.lang.System.getProperty("java.io.tmpdir")
        methods = loader.loadClass("nestflow.spark.Native").getDeclaredMethods()
        self._methods = {method.getName(): method for method in methods}
        for method in methods:
            method.setAccessible(True)

    def _method(self, loader: Any, of: str, name: str) -> Any:
        methods = loader.loadClass(f"nestflow.spark.{of}").getDeclaredMethods()
        (method,) = (method for method in methods if method.getName() == name)
        method.setAccessible(True)
        return method

    def _module(self, loader: Any, of: str) -> Any:
        return loader.loadClass(f"nestflow.spark.{of}").getField("MODULE$").get(None)

    def _list(self, items: tuple[Any, ...]) -> Any:
        given = self._jvm.java.util.ArrayList()
        for item in items:
            given.add(item)
        return given.toArray()

    def invoke(self, method: Any, of: Any, *arguments: Any) -> Any:
        """Call a method; what Java throws becomes a JavaError."""
        return self._invoke(method, of, arguments)[0]

    def _invoke(self, method: Any, of: Any, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
        # The gateway copies arrays of bytes; those in a list of Java are what the method is given.
        given = self._jvm.java.util.ArrayList()
        for argument in arguments:
            given.add(argument)
        try:
            return method.invoke(of, given.toArray()), given
        except Exception as error:
            thrown = getattr(error, "java_exception", None)
            if thrown is None:
                raise
            while thrown.getCause() is not None and thrown.getClass().getName().startswith(
                "java.lang.reflect"
            ):
                thrown = thrown.getCause()
            raise JavaError(thrown.getClass().getName(), thrown.getMessage()) from None

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of native code."""
        return self.invoke(self._methods[name], None, *arguments)

    def take(self, task: int, length: int) -> bytes:
        """Take a block."""
        return bytes(self._invoke(self._methods["take"], None, (task, bytes(length)))[1].get(1))

    def longs(self, count: int) -> Any:
        """Make an array of longs."""
        return self._gateway.new_array(self._jvm.long, count)

    def create(self, stage: bytes, task: bytes) -> int:
        """Make a task."""
        return int(self.call("create", stage, task, self.folder, 1, MEMORY, None, None))

    def step(self, task: int) -> tuple[int, int, int]:
        """Take steps until something happened."""
        answer = self.longs(2)
        while (kind := self.call("step", task, answer)) == NOTHING:
            continue
        return kind, answer[0], answer[1]

    def drain(self, task: int) -> list[tuple[int, bytes]]:
        """Take all blocks of a task that needs no input."""
        blocks = []
        while (step := self.step(task))[0] == BLOCK:
            blocks.append((step[1], self.take(task, step[2])))
        assert step[0] == DONE
        return blocks

    def held(self) -> list[int]:
        """Give open tasks, and the bytes that they have taken."""
        into = self.longs(3)
        self.call("held", into)
        return list(into)[:2]


class Planned:
    """The stages of a job, as they would be sent to executors."""

    def __init__(self, description: str, data: bytes) -> None:
        """Cut the bytes."""
        self.description = json.loads(description)

        def part(of: dict[str, Any]) -> bytes:
            return data[slice(*of["bytes"])]

        stages = self.description["stages"]
        self.stages = [(part(stage), [part(task) for task in stage["tasks"]]) for stage in stages]


def planned(pipeline: nf.Pipeline, dataset: nf.PCollection) -> Planned:
    """Plan a dataset and run it, and give what was sent."""
    engine = pipeline._engine
    sent: list[Planned] = []
    execute = engine._execute

    def listen(driver: Any, description: str, data: bytes, *others: Any) -> Any:
        sent.append(Planned(description, data))
        return execute(driver, description, data, *others)

    engine._execute = listen
    dataset.get()
    return sent[0]
