"""The first of sorted groups: no group is sorted, and only a few rows of each travel."""


def program(p, text):
    logs = p.read(text("logs.txt")).map(eval).group_by(lambda r: r[0])
    return logs.apply_values(lambda group: group.sort_by(lambda r: r[1], True).take(3))
