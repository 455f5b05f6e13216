"""A join with a small side: that goes to every task, and the large one stays where it is."""


def program(p, text):
    orders = p.read(text("orders.txt")).map(eval)
    return orders.join(p.read(text("small.txt")).map(eval))
