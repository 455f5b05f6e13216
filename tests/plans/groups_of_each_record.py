"""Every record is a group: what is grouped and joined inside lies together already, and is not dealt anew."""

from nestflow import transforms


def program(p, text):
    lines = p.read(text("lines.txt"))

    def often(line):
        words = line.flat_map(lambda text: text.split()).group_by(lambda word: word)
        counts = words.apply_values(transforms.count).flatten()
        return counts.join(counts.filter(lambda pair: pair[1] > 1))

    return transforms.group_by_every_record(lines).apply_values(often).flatten_values()
