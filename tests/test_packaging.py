"""Contents of a wheel: setup.cfg lists every folder of the package and every file that is not Python."""

import configparser
import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kbert_tasks"


def section(name):
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return {key: value.split() for key, value in config[name].items()}


def test_every_folder_is_listed_as_a_package():
    found = {".".join(file.parent.relative_to(ROOT).parts) for file in PACKAGE.rglob("*.py")}
    assert found == set(section("options")["packages"]) - {"kbert_tasks.checkpoints"}
    assert all((ROOT / name.replace(".", "/") / "__init__.py").is_file() for name in found)


def test_every_other_file_is_listed_as_package_data():
    patterns = section("options.package_data")["kbert_tasks"]
    files = [file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*") if file.is_file()]
    other = [name for name in files if not name.endswith((".py", ".pyc"))]
    assert other and [name for name in other if not any(fnmatch.fnmatch(name, each) for each in patterns)] == []
    assert [each for each in patterns if not any(fnmatch.fnmatch(name, each) for name in other)] == []
