"""Top three per device per country: one exchange for both levels."""


def program(p, text):
    logs = p.read(text("logs.txt")).map(eval)
    return logs.group_by(lambda r: r[0]).apply_values(
        lambda country: country.group_by(lambda r: r[1]).apply_values(
            lambda device: device.max_elements(3, lambda r: r[2])
        )
    )
