"""A sequential program sees whole groups, sorted outside of memory."""


def program(p, text):
    events = p.read(text("events.txt")).map(eval)
    return events.group_by_key().apply_values(
        lambda v: v.sort_by(lambda e: e[0]).transform(
            lambda emitter: 0,
            lambda status, emitter, e: status + 1,
            lambda status, emitter: emitter.emit(status),
        )
    )
