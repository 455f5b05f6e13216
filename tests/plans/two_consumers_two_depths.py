"""Users per country and per (country, device) from one table: read and parsed once."""


def program(p, text):
    by_country = p.read(text("visits.txt")).map(eval).group_by_key()
    by_device = by_country.apply_values(lambda c: c.group_by_key())
    deep = by_device.apply_values(lambda c: c.apply_values(lambda users: users.distinct().count()))
    return deep, by_country.apply_values(lambda c: c.count())
