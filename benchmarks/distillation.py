"""Distillation: scores of a teacher, of a small model alone, and of the small model with the teacher, as a table.

    python benchmarks/distillation.py CHECKPOINT TASK TRAIN DEV TEST --results FILE [--layers 2] [--labelled 2000] ...

The student starts from the lowest layers of the checkpoint of the teacher. The first `--labelled` rows of TRAIN are the labelled
texts of the teacher and of the student. The next `--unlabelled` rows, without their labels, or the rows of `--texts`, are the
texts that only the teacher answers. `gold labels of all rows` is the student that has the labels of those texts too. All models
have the automatic settings of the package. Each finished run is a line of JSON in the results file and is not run again.
"""

import argparse
import functools
import statistics
import tempfile
import time
from pathlib import Path

import machine
from defaults import Results

import kbert_tasks as kb
from kbert_tasks.checkpoint import google_format
from kbert_tasks.tasks import find


def lowest_layers(checkpoint, layers, folder):
    """Writes a checkpoint with the embeddings and the lowest layers of another one; returns its folder."""
    made = folder / f"{checkpoint.name}-{layers}"
    config = checkpoint.config | {"num_hidden_layers": layers}
    names = google_format.variables(config)
    tensors = {name: array for name, array in checkpoint.tensors().items() if name in names}
    made.mkdir()
    google_format.write(made, config, checkpoint.vocabulary, tensors)
    return made


def systems(arguments, folder):
    """Returns a dict of system to a function from (seed, rows, dev) to a trained task."""
    kind = find(arguments.task)
    whole = kb.find_checkpoint(arguments.checkpoint)
    small = lowest_layers(whole, arguments.layers, folder)
    settings = {"max_length": arguments.max_length} | (
        {"baseline": False} if hasattr(kind.Settings, "baseline") else {}
    )

    @functools.cache
    def teacher():
        return kb.load(arguments.teacher)

    def split(rows):
        labelled = rows[: arguments.labelled]
        return labelled, rows[arguments.labelled : arguments.labelled + arguments.unlabelled]

    def train_teacher(seed, rows, dev):
        task = kind(whole, seed=seed, **settings).fit(split(rows)[0], dev=dev)
        task.save(arguments.teacher)
        return task

    def alone(seed, rows, dev):
        return kind(small, seed=seed, **settings).fit(split(rows)[0], dev=dev)

    def everything(seed, rows, dev):
        return kind(small, seed=seed, **settings).fit(rows[: arguments.labelled + arguments.unlabelled], dev=dev)

    def distilled(unlabelled, **more):
        def run(seed, rows, dev):
            labelled, rest = split(rows)
            rest = (rest if arguments.texts is None else kb.read(arguments.texts))[["text"]] if unlabelled else None
            task = kind(small, seed=seed, **settings | more)
            return task.fit(labelled, dev=dev, teacher=teacher(), unlabelled=rest)

        return run

    return {
        "teacher": train_teacher,
        "student alone": alone,
        "distilled, labelled texts": distilled(False),
        "distilled, all texts": distilled(True),
        "gold labels of all rows": everything,
    } | {
        f"distilled, all texts, {name} {value}": distilled(True, **{name: value})
        for name, values in (("distillation_weight", (0.9, 1.0)), ("distillation_temperature", (1.0, 4.0)))
        for value in values
    }


def table(results, names, keys):
    print("| system | layers | development | test | runs | seconds |\n|---|---|---|---|---|---|")
    for name in names:
        found = [each for each in map(results.get, keys(name)) if each]
        if found:
            dev, test = (spread([each[part] for each in found]) for part in ("dev", "test"))
            seconds = statistics.mean(each["seconds"] for each in found)
            print(f"| {name} | {found[0]['layers']} | {dev} | {test} | {len(found)} | {seconds:.0f} |")


def spread(values):
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", help="the checkpoint of the teacher")
    parser.add_argument("task")
    parser.add_argument("train")
    parser.add_argument("dev")
    parser.add_argument("test")
    parser.add_argument("--results", required=True, metavar="FILE")
    parser.add_argument("--teacher", required=True, metavar="DIR", help="folder to keep the trained teacher in")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--labelled", type=int, default=2000)
    parser.add_argument("--unlabelled", type=int, default=4920)
    parser.add_argument("--texts", metavar="FILE", help="the unlabelled texts (default: the next rows of TRAIN)")
    parser.add_argument("--scored-rows", type=int, help="number of development and of test rows (default all)")
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--systems", nargs="+", default=["teacher", "student alone", "distilled, all texts"])
    arguments = parser.parse_args()
    rows = kb.read(arguments.train).sample(frac=1, random_state=0, ignore_index=True)
    dev, test = (kb.read(file)[: arguments.scored_rows] for file in (arguments.dev, arguments.test))
    results = Results(arguments.results)
    about = {"checkpoint": Path(arguments.checkpoint).resolve().parent.name, "data": Path(arguments.train).parent.name}
    about |= {
        "rows": [arguments.labelled, len(dev), len(test)],
        "max_length": arguments.max_length,
    }

    def keys(system):
        own = {"system": system, "layers": arguments.layers, "unlabelled": arguments.texts or arguments.unlabelled}
        if system in ("teacher", "student alone", "distilled, labelled texts"):
            own["unlabelled"] = 0
        if system == "teacher":
            own["layers"] = None
        return [
            about | own | {"seed": seed} for seed in (arguments.seeds[:1] if system == "teacher" else arguments.seeds)
        ]

    with tempfile.TemporaryDirectory() as place:
        made = systems(arguments, Path(place))
        jobs = [(key["seed"], system, key) for system in arguments.systems for key in keys(system)]
        for seed, system, key in sorted(jobs, key=lambda job: job[0]):  # so that a stopped benchmark has whole seeds
            if results.get(key):
                continue
            began, cpu = time.perf_counter(), time.process_time()
            task = made[system](seed, rows, dev)
            cpu = time.process_time() - cpu
            score, scored = task.MAIN_SCORE, task.evaluate(test)
            results.add(key, {
                "dev": task.report_["scores"]["dev"][score], "test": scored[score], "epochs": task.report_["best_epoch"],
                "layers": task.config["num_hidden_layers"], "parameters": task.model.count_params(),
                "seconds": cpu, "wall": time.perf_counter() - began,
            })  # fmt: skip
    print(*machine.described(), sep="\n")
    table(results, made, keys)


if __name__ == "__main__":
    main()
