"""What a grouping says of its concurrency counts on Spark only; here it changes nothing."""


def program(p, text):
    words = p.read(text("words.txt"))
    return words.group_by(len, concurrency=7).apply_values(lambda group: group.count())
