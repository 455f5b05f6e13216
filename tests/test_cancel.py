"""`Pipeline.cancel`: another thread ends what a pipeline is doing, and nothing of it goes on or stays."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., nf.Pipeline]


class Slow:
    """A function that goes on for ever, and says so, until it may come to an end."""

    def __init__(self, folder: Path) -> None:
        self.beat, self.go = folder / "beat", folder / "go"

    def __call__(self, x: int) -> int:
        while not self.go.exists():
            self.beat.write_text("")
            time.sleep(0.01)
        return x

    @contextmanager
    def cancels(self, p: nf.Pipeline) -> Iterator[None]:
        """Cancel as soon as it is called; afterwards, nobody goes on calling it."""

        def cancel() -> None:
            while not self.beat.exists():
                time.sleep(0.01)
            p.cancel()

        thread = threading.Thread(target=cancel)
        thread.start()
        with pytest.raises(nf.errors.RunCancelledException, match=r"^the run was cancelled$"):
            yield
        thread.join()
        until = time.monotonic() + 30
        while time.time() - self.beat.stat().st_mtime < 1:
            assert time.monotonic() < until, "its functions go on"
            time.sleep(0.1)


@pytest.fixture
def slow(tmp_path: Path) -> Slow:
    """Beside the files of the test."""
    (tmp_path / "signs").mkdir()
    return Slow(tmp_path / "signs")


def test_a_run_leaves_nothing_and_can_be_done_again(create: Make, slow: Slow, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    p = create(tmp_dir=str(tmp_path / "tmp"))
    numbers = p.parallelize(list(range(100)))
    kept = numbers.map(slow).cache()
    p.write(kept.sort(reverse=True), nf.output.TextFile(str(tmp_path / "out")))
    with slow.cancels(p):
        p.run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["signs", "tmp"]
    # Nothing is kept of it, and the pipeline is as it was before.
    slow.go.touch()
    assert kept.map(lambda x: -x).get() == [-x for x in range(100)]
    written = [
        line for part in sorted((tmp_path / "out").glob("part-*")) for line in part.read_text().split()
    ]
    assert written == [str(x) for x in reversed(range(100))]
    p.close()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_get_inside_groups(create: Make, slow: Slow) -> None:
    p = create()
    table = p.parallelize({"a": [1, 2], "b": [3]}).apply_values(lambda group: group.map(slow).sum())
    with slow.cancels(p):
        table.get()
    slow.go.touch()
    assert table.get() == {"a": 3, "b": 3}


def test_those_that_wait_are_cancelled_too(create: Make, slow: Slow) -> None:
    p = create()
    ended: list[str] = []

    def get(dataset: nf.PCollection) -> None:
        try:
            dataset.get()
        except nf.errors.RunCancelledException as error:
            ended.append(str(error))

    datasets = [p.parallelize([number]).map(slow) for number in range(3)]
    threads = [threading.Thread(target=get, args=(dataset,)) for dataset in datasets]
    for thread in threads:
        thread.start()
    while not slow.beat.exists() or len(p._running) < 3:
        time.sleep(0.01)
    p.cancel()
    for thread in threads:
        thread.join(60)
    assert ended == ["the run was cancelled"] * 3


def test_without_a_run_there_is_nothing_to_cancel(create: Make) -> None:
    p = create()
    p.cancel()
    assert p.parallelize([1, 2]).map(lambda x: x + 1).get() == [2, 3]
    p.cancel()
    assert p.parallelize([1, 2]).map(lambda x: x + 2).get() == [3, 4]


def test_a_run_that_has_its_own_reason_to_fail_gives_that(create: Make) -> None:
    p = create()

    def fail(x: int) -> int:
        raise OSError(x)

    with pytest.raises(OSError):
        p.parallelize([1]).map(fail).get()
    p.cancel()
    assert p.parallelize([1]).get() == [1]
