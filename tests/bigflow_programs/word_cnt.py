"""Word count, as a Bigflow program has it."""

from bigflow import base, transforms


def main(pipeline):
    """How often each word occurs."""
    lines = pipeline.parallelize(
        ["the quick brown fox", "jumps over the lazy dog", "the quick dog barks quick dog"]
    )
    words = lines.flat_map(lambda line: line.split(), size=0.5, memory_limit=100)
    return words.group_by(lambda word: word, concurrency=10).apply_values(transforms.count).get()


if __name__ == "__main__":
    print(main(base.Pipeline.create("local", tmp_data_path="hdfs:///tmp", default_concurrency=10)))
