"""Make the tables and sentences of `speed.py` from the measurements of each round."""

import statistics

OURS = "kbert_tasks"


def times(found, steps, tokens=None):
    """Yields the lines of a table: the median times of a step, and their ratios to those of this package.

    Args:
        found: dict of name to a list of measurements, one for each round.
        steps: number of steps in a round.
        tokens: number of tokens in a step, for a column with tokens per second; None for no such column.
    """
    more = tokens is not None
    yield "| | median, s | fastest to slowest | ratio to ours | CPU, s | ratio to ours |" + more * " tokens/s |"
    yield "|---|---|---|---|---|---|" + more * "---|"
    medians = {}
    for name, answers in found.items():
        wall, cpu = ([each[key] / steps for each in answers] for key in ("seconds", "cpu_seconds"))
        medians[name] = statistics.median(wall), statistics.median(cpu), min(wall), max(wall)
    for name, (wall, cpu, least, most) in medians.items():
        ours = medians.get(OURS)
        ratios = [f"{each / own:.2f}" for each, own in zip((wall, cpu), ours, strict=False)] if ours else ["", ""]
        line = f"| {name} | {wall:.2f} | {least:.2f} to {most:.2f} | {ratios[0]} | {cpu:.2f} | {ratios[1]} |"
        yield line + (f" {tokens / wall:,.0f} |" if more else "")


def memory(found):
    """Yields the lines of a table: peak memory in GiB, and its ratio to that of this package."""
    yield "| | GiB | ratio to ours |"
    yield "|---|---|---|"
    peaks = {name: max(each["peak_bytes"] for each in answers) for name, answers in found.items()}
    for name, peak in peaks.items():
        yield f"| {name} | {peak / 2**30:.2f} | {f'{peak / peaks[OURS]:.2f}' if OURS in peaks else ''} |"


def busyness(found):
    """Returns a sentence, with a leading space, about the CPU time of other processes during the rounds."""
    answers = [each for answers in found.values() for each in answers]
    others, seconds = (sum(each[key] for each in answers) for key in ("others", "seconds"))
    return f" Other processes used {others / seconds:.2f} cores." if others >= 0 and seconds else ""


def after(firsts, found):
    """Yields a sentence about each first epoch; `firsts` is a dict of name to its seconds."""
    for name, first in firsts.items():
        if name in found:
            later = statistics.median(each["seconds"] for each in found[name])
            yield f"The first epoch of {name} took {first:.2f} s, {first - later:.2f} s more than the median."
