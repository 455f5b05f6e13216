"""A dataset that is a side input of itself is put down once and read twice."""


def program(p, text):
    numbers = p.read(text("numbers.txt")).map(int)
    return numbers.map(lambda x, n: x / n, numbers.count())
