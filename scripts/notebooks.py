"""Generates notebooks/*.ipynb from notebooks/*.py, and runs the notebooks.

    python scripts/notebooks.py write             write the .ipynb next to each .py, without outputs
    python scripts/notebooks.py run [--keep DIR] [NAME ...]

`run` executes each notebook in a temporary folder, so nothing is written to the repository. With KBERT_FAST=1 the notebooks
train for a shorter time. It prints the seconds of each notebook and exits with status 1 if one fails. --keep saves the executed
notebooks in DIR. Needs the extra `notebooks`.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PACKAGE = 'PACKAGE = "kbert-tasks"\n'  # line of the set-up cell: what pip installs if the repository has no address


def sources():
    """Returns the .py files in order."""
    return sorted(FOLDER.glob("[0-9]*.py"))


def repository(citation=None):
    """Returns the address of the repository from CITATION.cff (`repository-code`), or None."""
    text = (ROOT / "CITATION.cff").read_text("utf-8") if citation is None else citation
    found = re.search(r"^repository-code:\s*[\"']?([^\"'\s]+)", text, re.MULTILINE)
    return found[1].removesuffix("/").removesuffix(".git") if found else None


def notebook(source, address):
    """Returns the notebook of a .py file, without outputs.

    Args:
        source: Path of the .py file.
        address: Address of the repository, or None. pip installs from it; a GitHub address adds the badge "Open in Colab".
    """
    text = source.read_text("utf-8")
    if address:
        text = text.replace(PACKAGE, f'PACKAGE = "git+{address}"\n')
    result = jupytext.reads(text, fmt="py:percent")
    result.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(result.cells):
        cell.id, cell.metadata = f"cell-{number}", nbformat.from_dict({})
    if address and address.startswith("https://github.com/"):
        place = f"{address.removeprefix('https://')}/blob/main/notebooks/{source.stem}.ipynb"
        link = f"https://colab.research.google.com/{place.replace('github.com', 'github', 1)}"
        title, _, rest = result.cells[0].source.partition("\n")
        result.cells[0].source = f"{title}\n\n[![Open in Colab]({BADGE})]({link})\n{rest}"
    nbformat.validate(result)
    return result


def written(result):
    """Returns the notebook as the text of its file."""
    return nbformat.writes(result) + "\n"


def write():
    for source in sources():
        source.with_suffix(".ipynb").write_text(written(notebook(source, repository())), "utf-8", newline="\n")


def run(names, keep):
    """Executes the notebooks; returns the names of those that failed."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    known = {source.stem: source for source in sources()}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"there is no notebook {unknown[0]}: {', '.join(known)}")
    failed, fast = [], os.environ.get("KBERT_FAST") == "1"
    print(f"{'fast' if fast else 'default'} settings", flush=True)
    for name in names or known:
        result, began = notebook(known[name], repository()), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["IPYTHONDIR"] = folder
            try:
                NotebookClient(result, timeout=None, resources={"metadata": {"path": folder}}).execute()
            except CellExecutionError as error:
                failed.append(name)
                print(error, file=sys.stderr)
        if keep:
            Path(keep).mkdir(parents=True, exist_ok=True)
            Path(keep, f"{name}.ipynb").write_text(written(result), "utf-8")
        print(f"{name:<16} {time.perf_counter() - began:6.1f} s{'  failed' * (name in failed)}", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="do", required=True, metavar="COMMAND")
    commands.add_parser("write", help="write the .ipynb files")
    each = commands.add_parser("run", help="execute the notebooks")
    each.add_argument("names", nargs="*", metavar="NAME", help="such as 02_classify (default all)")
    each.add_argument("--keep", metavar="DIR", help="folder for the executed notebooks")
    arguments = parser.parse_args()
    if arguments.do == "write":
        return write()
    sys.exit(1 if run(arguments.names, arguments.keep) else 0)


if __name__ == "__main__":
    main()
