"""Counts words: what a user writes; where it reads and writes, only the paths say."""

import sys

import nestflow as nf

source, target = sys.argv[1:]
p = nf.Pipeline.create("spark")
words = p.read(nf.TextFile(source)).flat_map(str.split)
counts = words.group_by(lambda word: word).apply_values(nf.transforms.count).flatten()
p.write(counts.map(lambda pair: f"{pair[0]} {pair[1]}"), nf.output.TextFile(target).partition(1).sort())
p.run()
print("different words:", counts.count().get())
