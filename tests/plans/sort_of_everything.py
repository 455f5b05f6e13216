"""A sort of a whole dataset: dealt to tasks by ranges of its keys, which a sample gives."""


def program(p, text):
    return p.read(text("logs.txt")).sort_by(len, True)
