"""Distinct users per site: one exchange by the finest key, so a hot site overloads no task."""


def program(p, text):
    visits = p.read(text("visits.txt")).map(lambda line: tuple(line.split()))
    return visits.group_by_key().apply_values(lambda users: users.distinct().count())
