"""Makes notebooks/*.ipynb from notebooks/*.py, and runs them from top to bottom.

    python scripts/notebooks.py write             the .ipynb beside each .py, without outputs
    python scripts/notebooks.py run [--keep DIR] [NAME ...]

`run` executes what the .py give, each in a temporary folder: nothing is written into the repository. With KBERT_FAST=1 the
notebooks train less. It prints the seconds of each and ends with status 1 where one fails; --keep puts the executed
notebooks into DIR. Needs the extra `notebooks`.
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
PACKAGE = 'PACKAGE = "kbert-tasks"\n'  # of the set-up cell: what pip installs where the repository has no address


def sources():
    """The .py files, in their order."""
    return sorted(FOLDER.glob("[0-9]*.py"))


def repository(citation=None):
    """The address of the repository, as CITATION.cff tells it (`repository-code`), or None."""
    text = (ROOT / "CITATION.cff").read_text("utf-8") if citation is None else citation
    found = re.search(r"^repository-code:\s*[\"']?([^\"'\s]+)", text, re.MULTILINE)
    return found[1].removesuffix("/").removesuffix(".git") if found else None


def notebook(source, address):
    """The notebook of a .py file, without outputs.

    Args:
        source: its path.
        address: of the repository. On GitHub it gives the notebook its badge "Open in Colab"; any is what pip installs from.
    """
    text = source.read_text("utf-8")
    if address:
        text = text.replace(PACKAGE, f'PACKAGE = "git+{address}"\n')
    made = jupytext.reads(text, fmt="py:percent")
    made.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(made.cells):
        cell.id, cell.metadata = f"cell-{number}", nbformat.from_dict({})
    if address and address.startswith("https://github.com/"):
        place = f"{address.removeprefix('https://')}/blob/main/notebooks/{source.stem}.ipynb"
        link = f"https://colab.research.google.com/{place.replace('github.com', 'github', 1)}"
        title, _, rest = made.cells[0].source.partition("\n")
        made.cells[0].source = f"{title}\n\n[![Open in Colab]({BADGE})]({link})\n{rest}"
    nbformat.validate(made)
    return made


def written(made):
    """The notebook as the text of its file."""
    return nbformat.writes(made) + "\n"


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
        made, began = notebook(known[name], repository()), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["IPYTHONDIR"] = folder
            try:
                NotebookClient(made, timeout=None, resources={"metadata": {"path": folder}}).execute()
            except CellExecutionError as error:
                failed.append(name)
                print(error, file=sys.stderr)
        if keep:
            Path(keep).mkdir(parents=True, exist_ok=True)
            Path(keep, f"{name}.ipynb").write_text(written(made), "utf-8")
        print(f"{name:<16} {time.perf_counter() - began:6.1f} s{'  failed' * (name in failed)}", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="do", required=True, metavar="COMMAND")
    commands.add_parser("write", help="make the .ipynb files")
    each = commands.add_parser("run", help="execute the notebooks")
    each.add_argument("names", nargs="*", metavar="NAME", help="such as 02_classify (default all)")
    each.add_argument("--keep", metavar="DIR", help="for the executed notebooks")
    arguments = parser.parse_args()
    if arguments.do == "write":
        return write()
    sys.exit(1 if run(arguments.names, arguments.keep) else 0)


if __name__ == "__main__":
    main()
