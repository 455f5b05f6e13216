"""`transform` in both forms: walks in order, also over nothing."""

from __future__ import annotations

import threading

from nestflow import Transformer
from nestflow import transforms as T

from .case import NUMBERS, Case


def _running(status, emitter, x):
    emitter.emit(status + x)
    return status + x


def _ended(status, emitter):
    emitter.emit(("end", status))


def _until(status, emitter, x):
    emitter.emit(x)
    if x == 4:
        emitter.done()
    return status + 1


def _window(status, emitter, x):
    status.append(x)
    del status[:-2]
    emitter.emit(status)
    return status


def _tally(status, emitter, x):
    status["seen"] = {"sum": status.get("seen", {"sum": 0})["sum"] + x}
    emitter.emit((x, status))
    return status


def _locked(emitter):
    """Start with what nothing can pickle, so that it stays where it is."""
    return [threading.Lock(), 0]


def _add_locked(status, emitter, x):
    with status[0]:
        status[1] += x
    return status


def _unlocked(status, emitter):
    emitter.emit(status[1])


def _refilled(x):
    part = [0, x]
    for i in range(3):
        part[0] = i
        yield part


class Growing(Transformer):
    """What was seen so far, always the same list."""

    def begin_process(self):
        self.all = []
        return []

    def process(self, record):
        self.all.append(record)
        yield self.all

    def end_process(self):
        self.all.clear()
        return [self.all]


class Pairs(Transformer):
    """Each record with the one before."""

    def begin_process(self):
        self.last = "begin"
        return ["start"]

    def process(self, record):
        pair, self.last = (self.last, record), record
        return [pair]

    def end_process(self):
        return ["end", self.last]


class Keeping(Transformer):
    """Forgets nothing by itself: a group must not see what another left."""

    def __init__(self, seen=()):
        self.seen = list(seen)

    def process(self, record):
        self.seen.append(record)
        return iter(())

    def end_process(self):
        return [tuple(self.seen)]


class Above(Transformer):
    """With side inputs."""

    def begin_process(self, least, all_):
        return [("least", least, len(all_))]

    def process(self, record, least, all_):
        return [record] if record > least and record in all_ else []

    def end_process(self, least, all_):
        return (x for x in all_[:1])


CASES = [
    Case(
        "transform with a status that cannot be pickled",
        lambda v: v.transform(_locked, _add_locked, _unlocked),
        records=[n % 100 for n in range(2500)],  # several batches
    ),
    Case("transform", lambda v: v.transform(lambda emitter: 0, _running, lambda status, emitter: None)),
    Case("transform with a finalizer", lambda v: v.transform(lambda emitter: 0, _running, _ended)),
    Case(
        "transform with outputs everywhere",
        lambda v: v.transform(lambda emitter: emitter.emit("begin") or 0, _running, _ended),
    ),
    Case(
        "transform after a filter",
        lambda v: v.filter(lambda x: x > 4).transform(lambda emitter: 0, _running, _ended),
    ),
    Case("transform after sort", lambda v: v.sort().transform(lambda emitter: 0, _running, _ended)),
    Case("transform that is done early", lambda v: v.transform(lambda emitter: 0, _until, _ended)),
    Case(
        "transform that is done at once",
        lambda v: v.transform(lambda emitter: emitter.done(), _running, lambda s, e: e.emit(("end", s))),
    ),
    Case(
        "transform with a finalizer that gives something",
        lambda v: v.transform(lambda emitter: 0, _running, lambda status, emitter: [status]),
    ),
    Case(
        "transform with an open status",
        lambda v: v.transform(
            lambda emitter: (n for n in range(99)),
            lambda s, e, x: e.emit((next(s), x)) or s,
            lambda s, e: e.emit(next(s)),
        ),
    ),
    Case(
        "transform with side inputs",
        lambda v, o: v.transform(
            lambda e, s, n: n,
            lambda s, e, x, all_, n: e.emit(x in all_) or s + 1,
            lambda s, e, all_, n: e.emit((s, len(all_))),
            o,
            v.count(),
        ),
    ),
    Case(
        "transform to None",
        lambda v: v.transform(lambda e: None, lambda s, e, x: e.emit(None), lambda s, e: e.emit(None)),
    ),
    Case("transform of a PObject", lambda v: T.transform(v.count(), lambda e: 5, _running, _ended)),
    Case(
        "transform then group",
        lambda v: v.transform(lambda emitter: 0, _running, lambda s, e: None).group_by(lambda x: x % 2),
    ),
    Case("transformer", lambda v: v.transform(Pairs())),
    Case("transformer class", lambda v: v.transform(Pairs)),
    Case("transformer that keeps", lambda v: v.transform(Keeping([0]))),
    Case("transformer after sort", lambda v: v.sort(True).transform(Pairs())),
    Case("transformer with side inputs", lambda v, o: v.transform(Above(), v.count(), o), NUMBERS),
    Case(
        "the status is emitted as it is then", lambda v: v.transform(lambda e: [], _window, lambda s, e: None)
    ),
    Case("what is in an emitted tuple too", lambda v: v.transform(lambda e: {}, _tally, lambda s, e: None)),
    Case(
        "an emitted status before a map",
        lambda v: v.transform(lambda e: [], _window, lambda s, e: None).map(lambda part: part[-1]),
    ),
    Case("a transformer yields what goes on", lambda v: v.transform(Growing())),
    Case("a list that a generator fills again", lambda v: v.flat_map(_refilled)),
    Case("a filled list, and keys of it", lambda v: v.flat_map(_refilled).group_by(lambda part: part[0])),
    Case(
        "a filled list before other steps",
        lambda v: v.flat_map(_refilled).filter(lambda part: part[0]).flat_map(lambda part: (part, part[0])),
    ),
    Case(
        "transform then count",
        lambda v: v.filter(lambda x: False).transform(lambda emitter: 0, _running, _ended).count(),
    ),
]
