"""How often each word of a text occurs."""

from __future__ import annotations

import nestflow as nf

TEXT = [
    "the quick brown fox jumps over the lazy dog",
    "the dog barks",
    "",
    "  quick quick dog  ",
]


def main(pipeline: nf.Pipeline) -> dict[str, int]:
    """Group the words by themselves and count each group."""
    lines = pipeline.parallelize(TEXT)
    words = lines.flat_map(str.split)
    counts = words.group_by(lambda word: word).apply_values(nf.transforms.count)
    return counts.get()


if __name__ == "__main__":
    for word, number in sorted(main(nf.Pipeline.create("local")).items()):
        print(word, number)
