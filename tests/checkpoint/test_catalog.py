import re
import subprocess
import sys

import pytest

from kbert_tasks.checkpoint import catalog, download, embedded, find, hub, install
from kbert_tasks.errors import InputError

SIZES = re.compile(r"_L-(\d+)_H-(\d+)_A-(\d+)")


@pytest.fixture
def downloads(monkeypatch):
    """Lists the (name, folder) of each download, none of which is made."""
    downloads = []
    monkeypatch.setattr(install, "get", lambda entry, into, *_: downloads.append((entry.name, into)))
    monkeypatch.setattr(hub, "fetch", lambda repo, into, name=None, **_: downloads.append((name or repo, into)))
    return downloads


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    """An empty current directory and an empty cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KBERT_CHECKPOINTS", raising=False)
    monkeypatch.setattr(find.platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    return tmp_path


def folder(path):
    path.mkdir(parents=True)
    (path / "bert_config.json").write_text("{}")
    return path


def test_catalog_lists_every_release_once():
    entries = catalog.entries()
    assert len([e for e in entries if e.url]) == 9 + 24
    assert len([e for e in entries if e.hub]) == 8
    assert [e.name for e in entries if not (e.url or e.hub)] in ([], [embedded.NAME])
    names = [name.casefold() for e in entries for name in (e.name, *e.aliases)]
    assert len(names) == len(set(names))
    sources = [e.url or e.hub for e in entries if e.name != embedded.NAME]
    assert len(sources) == len(set(sources))


def test_entries_match_the_sizes_in_their_folder_names():
    for entry in catalog.entries():
        if entry.name == embedded.NAME:
            continue  # tested in tests/checkpoint/test_embedded.py
        assert bool(entry.url) != bool(entry.hub)
        assert entry.license == "Apache-2.0"
        for name in (entry.url, entry.name, *entry.aliases):
            if match := SIZES.search(name):
                assert (entry.layers, entry.hidden, entry.heads) == tuple(map(int, match.groups())), entry.name
        if entry.url:
            assert entry.url.startswith(download.GOOGLE + "/bert_models/20") and entry.url.endswith(".zip")
            archive = entry.url.rsplit("/")[-1]
            assert entry.cased == ("cased" in archive and "uncased" not in archive)
        vocabularies = {("en", False): 30522, ("en", True): 28996, ("zh", False): 21128}
        vocabularies |= {("multilingual", True): 119547, ("multilingual", False): 105879}
        assert entry.vocab_size == vocabularies[entry.language, entry.cased]


@pytest.mark.parametrize(
    "name, millions",
    [("bert-base-uncased", 109.48), ("bert-tiny", 4.39), ("bert-base-chinese", 102.27), ("rbt3", 38.48)],
)
def test_parameter_count_is_computed_from_the_sizes(name, millions):
    assert round(catalog.find(name).parameters / 1e6, 2) == millions


def test_find_accepts_names_aliases_and_hub_names_in_any_case():
    assert catalog.find("BERT-Base-Chinese") is catalog.find("chinese_l-12_h-768_a-12")
    assert catalog.find("bert-small").name == "uncased_L-4_H-512_A-8"
    assert catalog.find("hf:hfl/rbt3") is catalog.find("hfl/RBT3") is catalog.find("rbt3")
    assert catalog.find("bert-base-klingon") is None


def test_two_checkpoints_with_the_same_name_have_different_folders():
    first, second = catalog.find("uncased_L-12_H-768_A-12"), catalog.find("uncased_L-12_H-768_A-12-2020")
    assert first.name == "bert-base-uncased" and "2018_10_18" in first.url
    assert "2020_02_20" in second.url


def test_existing_paths_are_returned_unchanged(workdir, downloads):
    path = folder(workdir / "own")
    assert find.locate(path) == path
    assert find.locate("own") == find.Path("own")
    assert find.locate("own/bert_model.ckpt") == find.Path("own/bert_model.ckpt")
    (workdir / "weights.ckpt.index").touch()
    assert find.locate("weights.ckpt") == find.Path("weights.ckpt")
    assert not downloads


@pytest.mark.parametrize(
    "place",
    ["checkpoints/bert-base-chinese", "checkpoints/chinese_L-12_H-768_A-12", "cache/checkpoints/bert-base-chinese",
     "elsewhere/chinese_L-12_H-768_A-12", "checkpoints/chinese_L-12_H-768_A-12/publish"],
)  # fmt: skip
def test_existing_checkpoint_is_not_downloaded(workdir, downloads, monkeypatch, place):
    existing = folder(workdir / place)
    monkeypatch.setenv("KBERT_CHECKPOINTS", str(workdir / "elsewhere"))
    found = find.locate("bert-base-chinese").resolve()
    assert found == (existing.parent if existing.name == "publish" else existing)
    assert not downloads


def test_download_folder_depends_on_the_environment_and_on_into(workdir, downloads, monkeypatch):
    cache = workdir / "cache" / "checkpoints"
    find.locate("bert-tiny")
    assert downloads.pop() == ("uncased_L-2_H-128_A-2", cache)
    (workdir / "checkpoints").mkdir()
    find.locate("bert-tiny")
    assert downloads.pop()[1] == find.Path("checkpoints")
    monkeypatch.setenv("KBERT_CHECKPOINTS", str(workdir / "disk"))
    find.locate("bert-tiny")
    assert downloads.pop()[1] == workdir / "disk"
    folder(workdir / "checkpoints" / "bert-tiny")
    find.locate("bert-tiny", into=workdir / "there")
    assert downloads.pop()[1] == workdir / "there"


def test_hugging_face_names_are_downloaded_from_the_hub(workdir, downloads):
    cache = workdir / "cache" / "checkpoints"
    find.locate("hf:owner/name")
    assert downloads.pop() == ("hf:owner/name", cache)
    assert find.locate("hf:owner/name", into=folder(cache / "hf_owner_name").parent).name == "hf_owner_name"
    assert not downloads
    find.locate("hf:hfl/rbt3")
    assert downloads.pop() == ("rbt3", cache)


def test_error_for_an_unknown_name_lists_similar_names(workdir):
    with pytest.raises(InputError, match="neither a folder nor the name .* similar names: bert-base-chinese"):
        find.locate("checkpoints/bert-base-chines")
    with pytest.raises(InputError, match="kbert-checkpoint list") as caught:
        find.locate("zzz")
    assert "similar names" not in str(caught.value)


def test_zip_file_as_checkpoint_is_rejected(workdir):
    (workdir / "bert.zip").touch()
    with pytest.raises(InputError, match="unzip it"):
        find.locate("bert.zip")


def test_importing_find_loads_no_large_package():
    heavy = "{'tensorflow', 'huggingface_hub', 'httpx', 'httpx2', 'requests', 'safetensors'}"
    code = f"import sys, kbert_tasks.checkpoint.find; sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    subprocess.run([sys.executable, "-c", code], check=True)
