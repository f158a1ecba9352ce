"""The lines of `speed.py`'s tables, of what the competitors answered in each round."""

import statistics

OURS = "kbert_tasks"


def times(found, steps, tokens=None):
    """Medians of a step, and how many times as long as ours.

    Args:
        found: name to list of answers, the rounds.
        steps: in a round.
        tokens: in a step, where a column is to tell how many are done in a second.
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
    """GiB, and how many times as much as ours."""
    yield "| | GiB | ratio to ours |"
    yield "|---|---|---|"
    peaks = {name: max(each["peak_bytes"] for each in answers) for name, answers in found.items()}
    for name, peak in peaks.items():
        yield f"| {name} | {peak / 2**30:.2f} | {f'{peak / peaks[OURS]:.2f}' if OURS in peaks else ''} |"


def busyness(found):
    """A sentence, after a space: what else ran on the machine during the rounds."""
    answers = [each for answers in found.values() for each in answers]
    others, seconds = (sum(each[key] for each in answers) for key in ("others", "seconds"))
    return f" Other processes took {others / seconds:.2f} cores' time meanwhile." if others >= 0 and seconds else ""
