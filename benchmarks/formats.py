"""Write data sets of named entities in each format, read them again, and count what is different and why.

Usage: python benchmarks/formats.py ../shared/data/ner --output benchmarks/formats.md
"""

import argparse
import logging
import re
import tempfile
from collections import Counter
from pathlib import Path

import kbert_tasks as kb
from kbert_tasks.data.annotations.entities import PROBLEMS
from kbert_tasks.data.annotations.formats import FORMATS

COLUMNS = ["text", "entities"]
HEAD = """# Formats of annotated texts

Each file of the data sets was read, written in each format and read again (`python benchmarks/formats.py`). A text is equal if
its characters and all its entities are equal. The writer counts each entity and text that a format cannot express.

| data set | format | texts | equal texts | entities | entities read again | counted by the writer |
|---|---|---|---|---|---|---|
"""
ORIGINALS = """
Two data sets are published as token files. These were read directly, and compared with the JSONL files that were made from
them by another program.

| file | texts | equal to the JSONL file | problems |
|---|---|---|---|
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with one folder per data set")
    parser.add_argument("--output", type=Path, help="Markdown file (default: standard output)")
    arguments = parser.parse_args()
    logging.getLogger("kbert_tasks").setLevel(logging.ERROR)  # the counts are in the table
    with tempfile.TemporaryDirectory() as folder:
        lines = [HEAD, *round_trips(arguments.data, Path(folder)), ORIGINALS, *originals(arguments.data, Path(folder))]
    if arguments.output:
        arguments.output.write_text("".join(lines), encoding="utf-8")
    else:
        print("".join(lines), end="")


def round_trips(data, folder):
    """Yields the lines of the table of round trips; formats with equal numbers share a line."""
    for name in sorted(path.name for path in data.iterdir() if path.is_dir()):
        lines = {}
        for format in FORMATS:
            total = Counter()
            counted = Counter()
            for file in sorted((data / name).glob("*.jsonl")):
                numbers, reasons = round_trip(kb.read(file), folder / "written.txt", format)
                total.update(numbers)
                counted.update(reasons)
            numbers = " | ".join(f"{total[key]:,}" for key in ("texts", "equal", "entities", "again"))
            lines.setdefault(f"{numbers} | {listed(counted)}", []).append(format)
        for numbers, formats in lines.items():
            yield f"| {name} | {', '.join(formats)} | {numbers} |\n"


def round_trip(table, path, format):
    counted = kb.write(table, path, format)
    again = kb.read(path, format=format)
    assert PROBLEMS not in again, f"{format}: {again[PROBLEMS].explode().dropna().unique()}"
    given, found = (each[COLUMNS].to_dict("records") for each in (table, again))
    equal = sum(map(dict.__eq__, given, found)) if len(given) == len(found) else 0
    entities, entities_again = (sum(len(row["entities"]) for row in rows) for rows in (given, found))
    return {"texts": len(given), "equal": equal, "entities": entities, "again": entities_again}, counted


def originals(data, folder):
    """Yields the lines of the table of published token files."""
    mit, weibo = data / "en_mit_restaurant", data / "zh_weibo_ner"
    yield compared("en_mit_restaurant/original/test.txt", mit / "original/test.txt", mit / "test.jsonl")
    for part in ("train", "dev", "test"):
        # The tokens end with their position in the word, such as 京1.
        given = (weibo / f"original/weiboNER_2nd_conll.{part}").read_text(encoding="utf-8")
        lines = [re.sub(r"^(.+?)\d+\t", r"\1\t", line) for line in given.split("\n")]
        file = folder / "weibo.bio"
        file.write_text("\n".join(lines), encoding="utf-8", newline="")
        name = f"zh_weibo_ner/original/weiboNER_2nd_conll.{part}, without the positions"
        yield compared(name, file, weibo / f"{part}.jsonl")


def compared(name, file, jsonl):
    table = kb.read(file, format="bio")
    given, found = (each[COLUMNS].to_dict("records") for each in (kb.read(jsonl), table))
    equal = sum(row in given for row in found)
    problems = Counter(each for listed in table.get(PROBLEMS, ()) for each in listed)
    return f"| {name} | {len(found):,} | {equal:,} | {listed(problems)} |\n"


def listed(counted):
    return "; ".join(f"{number:,} {reason}" for reason, number in counted.items()) or "–"


if __name__ == "__main__":
    main()
