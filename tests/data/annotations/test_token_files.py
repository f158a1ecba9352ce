"""Files with one token per line: schemes of tags, columns, spaces, invalid tags, and texts that are written."""

import pytest

import kbert_tasks as kb
from kbert_tasks.data.annotations import tags, token_files

from .reading import entity, error_message, parts, problems, put, rows


def read(tmp_path, content, name="a.bio", **options):
    return kb.read(put(tmp_path, name, content), **options)


def tagged(*pairs, mark=" "):
    return "".join(f"{token}{mark}{tag}\n" for token, tag in pairs) + "\n"


SENTENCE = ["方", "雪", "在", "IBM", "New", "York", "工", "作"]
WANTED = [("方雪", "PER"), ("IBM", "ORG"), ("New York", "LOC")]


@pytest.mark.parametrize(
    "scheme, letters",
    [
        ("BIO", "BIOBBIOO"),
        ("BIOES", "BEOSBEOO"),
        ("BMES", "BEOSBEOO"),
        ("BILOU", "BLOUBLOO"),
        ("BIO", ["B_PER", "I_PER", "O", "B_ORG", "B_LOC", "I_LOC", "O", "O"]),
    ],
)
@pytest.mark.parametrize("mark", [" ", "\t", "   "])
def test_schemes_are_read(tmp_path, scheme, letters, mark):
    kinds = ["PER", "PER", "", "ORG", "LOC", "LOC", "", ""]
    names = [a if len(a) > 1 or a == "O" else f"{a}-{b}" for a, b in zip(letters, kinds, strict=True)]
    if scheme == "BMES":  # a long entity, so that M occurs
        content = tagged(*zip(SENTENCE, names, strict=True), mark=mark) + tagged(
            *zip("一二三", ["B-X", "M-X", "E-X"], strict=True), mark=mark
        )
    else:
        content = tagged(*zip(SENTENCE, names, strict=True), mark=mark)
    table = read(tmp_path, content, "a.bmes" if scheme == "BMES" else "a.bio")
    assert rows(table)[0]["text"] == "方雪在IBM New York工作"
    assert parts(table)[0] == WANTED and problems(table) == {}
    assert f"tags {scheme}; columns 1 (tokens) and 2 (tags) are read" in table.attrs["about"]


def test_iob1_is_detected(tmp_path):
    content = tagged(("a", "I-X"), ("b", "I-X"), ("c", "B-X"), ("d", "O"), ("e", "I-Y"), ("f", "I-X"))
    table = read(tmp_path, content)
    assert parts(table) == [[("a b", "X"), ("c", "X"), ("e", "Y"), ("f", "X")]]
    assert problems(table) == {} and "tags IOB1" in table.attrs["about"]


def test_tags_without_types_have_the_type_entity(tmp_path):
    assert parts(read(tmp_path, tagged(("a", "B"), ("b", "I"), ("c", "O")))) == [[("a b", "ENTITY")]]


@pytest.mark.parametrize(
    "names, found, reasons",
    [
        ("O I-X I-X B-X", [(1, 2, "X"), (3, 3, "X")], []),  # IOB1
        ("O I-X I-X B-Y", [(1, 2, "X"), (3, 3, "Y")], ["I- after O"]),
        ("I-X O B-X I-Y", [(0, 0, "X"), (2, 2, "X"), (3, 3, "Y")], ["I- after O", "I- of another type"]),
        ("B-X E-X I-X O", [(0, 1, "X"), (2, 2, "X")], ["I- after the end of an entity", "no E- or L-"]),
        ("B-X I-X O S-X", [(0, 1, "X"), (3, 3, "X")], ["no E- or L-"]),
        ("B-X B-X E-X O", [(0, 0, "X"), (1, 2, "X")], ["no E- or L-"]),
        ("O E-X S-X I-X", [(1, 1, "X"), (2, 2, "X"), (3, 3, "X")], ["E- after O", "I- after the end", "no E- or L-"]),
        ("B-X S-X B-Y E-Y", [(0, 0, "X"), (1, 1, "X"), (2, 3, "Y")], ["no E- or L-"]),
    ],
)
def test_invalid_tags_are_read_leniently_and_counted(names, found, reasons):
    parsed = [tags.parse(name) for name in names.split()]
    problems = []
    assert tags.decode(parsed, tags.is_iob1([parsed]), tags.closes([parsed]), problems) == found
    assert len(problems) == len(reasons) and all(map(str.__contains__, problems, reasons))


def test_columns_and_comments(tmp_path):
    content = "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n# id 1 a=b\nall DT B-NP O\n"
    table = read(tmp_path, content, "a.conll")
    assert [row["text"] for row in rows(table)] == ["EU rejects", "all"] and parts(table)[0] == [("EU", "ORG")]
    assert "columns 1 (tokens) and 4 (tags) are read, 2 others are not" in table.attrs["about"]
    chunks = read(tmp_path, content, "a.conll", tag_column=3)
    assert parts(chunks)[0] == [("EU", "NP"), ("rejects", "VP")]
    assert "'NNP' is not a tag" in error_message(tmp_path / "a.conll", tag_column=2)
    assert "has 4 columns: tag_column (--tag-column) should be from 1 to 4, not 5" in error_message(
        tmp_path / "a.conll", tag_column=5
    )
    assert rows(read(tmp_path, "O EU\nB-X a\n", token_column=2, tag_column=1))[0]["text"] == "EU a"


def test_tokens_alone_are_texts_that_are_not_annotated(tmp_path):
    table = read(tmp_path, "New\nYork\n\n北\n京\n")
    assert rows(table) == [{"text": "New York", "tokens": ["New", "York"]}, {"text": "北京", "tokens": ["北", "京"]}]


@pytest.mark.parametrize(
    "content, message",
    [
        ("a O\nb O x\n", "line 2 has 3 columns, line 1 has 2"),
        ("a\tO\nb O\n", "line 2 has 1 columns, line 1 has 2"),
        ("a O\nb PER\n", "line 2: 'PER' is not a tag"),
        ("\n\n", "has no tokens"),
        ("-DOCSTART- O\n", "has no tokens"),
    ],
)
def test_malformed_files_are_errors(tmp_path, content, message):
    assert message in error_message(put(tmp_path, "a.bio", content))


@pytest.mark.parametrize(
    "tokens, text",
    [
        ("北 京 欢 迎", "北京欢迎"),
        ("北京 欢迎 你", "北京欢迎你"),
        ("2 0 0 8 年 C B A", "2008年CBA"),
        ("2008 年 NBA 全 明 星 All Star", "2008年NBA全明星All Star"),
        ("Hello , world !", "Hello , world !"),
        ("I like 北 京 a lot", "I like北京a lot"),
        ("é e\u0301 👍 👍🏽", "é e\u0301 👍 👍🏽"),
        ("我 👍🏽 你", "我👍🏽你"),
        ("我 A B C D E 👍🏽 👍🏽 All Star", "我ABCDE👍🏽👍🏽All Star"),
        ("[SEP] a", "[SEP] a"),
    ],
)
def test_tokens_are_joined(tmp_path, tokens, text):
    assert rows(read(tmp_path, tagged(*((token, "O") for token in tokens.split()))))[0]["text"] == text


def test_tokens_with_spaces_are_kept_and_counted(tmp_path):
    table = read(tmp_path, tagged(("New York", "B-LOC"), ("is", "O"), mark="\t"))
    assert parts(table) == [[("New York", "LOC")]] and problems(table) == {token_files.WITH_SPACE: 1}
    table = read(tmp_path, tagged(("北", "O"), (" ", "O"), ("京", "O"), ("　", "O"), mark="\t"))
    assert rows(table)[0]["text"] == "北 京　" and problems(table) == {}
    assert rows(read(tmp_path, "北 O\n O\n京 O\n"))[0]["text"] == "北 京"


def test_bom_crlf_and_gbk_are_read(tmp_path):
    content = tagged(("北", "B-LOC"), ("京", "I-LOC")).replace("\n", "\r\n") * 2
    for encoding in ("utf-8-sig", "utf-16", "gbk"):
        assert parts(read(tmp_path, content.encode(encoding))) == [[("北京", "LOC")]] * 2


@pytest.mark.parametrize("name", ["bio", "bioes", "bmes"])
def test_file_that_is_read_and_written_is_unchanged(tmp_path, name):
    letters = {"bio": "BIIOB", "bioes": "BIEOS", "bmes": "BMEOS"}[name]
    pairs = [
        (token, letter if letter == "O" else f"{letter}-X") for token, letter in zip("习惯abc", letters, strict=True)
    ]
    content = tagged(*pairs) + tagged(("IBM公司", pairs[4][1]), ("in", "O"), ("北京", "O"))
    table = read(tmp_path, content, f"a.{name}")
    assert kb.write(table, tmp_path / f"b.{name}") == {}
    assert (tmp_path / f"b.{name}").read_text(encoding="utf-8") == content
    assert rows(kb.read(tmp_path / f"b.{name}")) == rows(table)


def written(tmp_path, *given, format=None):
    path = tmp_path / "b.bio"
    counted = kb.write([*given], path, format)
    return path.read_text(encoding="utf-8"), dict(counted)


def test_what_a_token_file_cannot_express_is_counted(tmp_path):
    text = "in New York City"
    nested = [entity(3, 16, "LOC"), entity(3, 11, "LOC"), entity(12, 16, "X", probability=0.1)]
    content, counted = written(tmp_path, {"text": text, "entities": nested})
    assert content == "in O\nNew B-LOC\nYork I-LOC\nCity I-LOC\n\n"
    assert counted == {token_files.OVERLAPPING: 2}
    _, counted = written(tmp_path, {"text": "a.", "entities": [entity(0, 1, "X")]})
    assert counted == {token_files.OTHER_SPACES: 1}
    row = {"text": "a.", "tokens": ["a."], "entities": [entity(0, 1, "X")]}
    assert written(tmp_path, row) == ("a. O\n\n", {token_files.MISFIT: 1})
    triple = {"subject": "a", "predicate": "p", "object": "b"}
    rest = [
        {"text": "", "entities": []},
        {"text": "a b", "spo_list": [triple]},
        {"text": "-DOCSTART- a", "entities": []},
    ]
    _, counted = written(tmp_path, *rest)
    assert counted == {
        token_files.NO_TEXT: 1,
        token_files.NOT_ANNOTATED: 1,
        token_files.NO_TRIPLES: 1,
        token_files.HAS_DOCUMENT: 1,
    }
    assert written(tmp_path, {"text": "北\n京", "entities": []}) == ("北\tO\n \tO\n京\tO\n\n", {token_files.BREAKS: 1})


def test_the_more_probable_of_two_overlapping_entities_is_written(tmp_path):
    both = [entity(0, 1, "X", probability=0.9), entity(0, 3, "Y", probability=0.5)]
    assert written(tmp_path, {"text": "a b", "entities": both})[0] == "a B-X\nb O\n\n"


def test_type_with_a_space_needs_tabs(tmp_path):
    content, counted = written(tmp_path, {"text": "a b", "entities": [entity(0, 1, "X Y")]})
    assert content == "a\tB-X Y\nb\tO\n\n" and counted == {}
    assert parts(kb.read(tmp_path / "b.bio")) == [[("a", "X Y")]]
