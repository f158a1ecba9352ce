"""Malformed requests for `serving_fuzz.py`: each function in KINDS draws one, which no server should accept.

A kind is a function of (random.Random, Model) that returns an Asked, or bytes that are no valid HTTP request.
"""

import json
from dataclasses import dataclass, field

JSON = {"Content-Type": "application/json"}
TEXT = "房间很干净，老板也热情。The room was quiet."
ODD = [
    "",
    " ",
    "\x00",
    "\u2028",
    "\ufeff",
    "\U0001f600",
    "\u202e",
    "e\u0301",
    "<script>alert(1)</script>",
    "[SEP]",
    "{{7*7}}",
    "%s%n",
    "../../etc/passwd",
]
VALUES = [None, True, 0, -1, 1.5, 1e999, 10**400, "", "a", [], [[]], {}, {"a": []}]


@dataclass
class Asked:
    """A request and the statuses of which it should get one."""

    body: bytes = b""
    statuses: tuple = (400,)
    path: str = "/"
    method: str = "POST"
    headers: dict = field(default_factory=lambda: JSON)


class Model:
    """A served model: its name, and bodies of valid requests for each address."""

    def __init__(self, name, task):
        self.name = name
        self.second = task.SECOND if task.paired else None
        second = getattr(task.settings, self.second) if self.second else None
        self.kind = (getattr(task, "types_", None) or ["好"])[0] if self.second else None
        row = {task.settings.text_column: TEXT} | ({second: "b"} if second else {})
        self.forms = {"rows": [row], "pairs": [[TEXT, "b"]]} if second else {"rows": [row], "texts": [TEXT]}
        single = {"text": TEXT} | ({"text_b": "b"} if second else {})
        self.addresses = {
            f"/models/{name}/predict": self.forms,
            f"/models/{name}/explain": single,
            f"/page/{name}/answer": single,
            f"/page/{name}/explanation": single,
        }

    def drawn(self, draw):
        """Returns (address, body) of a valid request."""
        address, body = draw.choice([*self.addresses.items()])
        if address.endswith("/predict"):
            form = draw.choice([*body])
            body = {form: body[form]}
        return address, dict(body)


def valid(model):
    form, rows = [*model.forms.items()][1]
    return Asked(encoded({form: rows}), (200,), f"/models/{model.name}/predict")


def encoded(value):
    return json.dumps(value, ensure_ascii=False).encode()


def broken(draw, model, change, statuses=(400,)):
    """Returns a valid request whose body, as bytes, was changed by a function."""
    path, body = model.drawn(draw)
    return Asked(change(encoded(body)), statuses, path)


def invalid_utf8(draw, model):
    bad = draw.choice([b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe6\x88"])

    def change(raw):
        at = draw.randrange(len(raw.decode()))
        return raw.decode()[:at].encode() + bad + raw.decode()[at:].encode()

    return broken(draw, model, change)


def other_encoding(draw, model):
    return broken(
        draw,
        model,
        lambda raw: raw.decode().encode(draw.choice(["utf-16", "utf-32", "gb18030", "utf-8-sig"]), "replace"),
    )


def cut(draw, model):
    return broken(draw, model, lambda raw: raw.decode()[: draw.randrange(len(raw.decode()))].encode())


def more_after_the_end(draw, model):
    return broken(draw, model, lambda raw: raw + draw.choice([b"}", b"{}", b",", b"x", b"\x00", b"null"]))


def replaced_byte(draw, model):
    """A quotation mark, bracket or colon replaced by something that is not JSON there."""

    def change(raw):
        at = draw.choice([i for i, byte in enumerate(raw) if byte in b'{}[]":'])
        return raw[:at] + b"'" + raw[at + 1 :]

    return broken(draw, model, change, (400, 422))


def no_number(draw, model):
    bad = draw.choice([b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"0x10", b"1.", b"1_000", b"1" * 5000])
    return broken(draw, model, lambda raw: raw[:-1] + b', "steps": ' + bad + b"}")


def lone_surrogate(draw, model):
    bad = draw.choice(["\\ud800", "\\udfff", "\\uD83D", "\\udc00\\ud800"]).encode()
    return broken(draw, model, lambda raw: raw[:-1] + b', "options": {"text_column": "' + bad + b'"}}')


def nested(draw, model):
    depth = draw.choice([33, 100, 500, 900, 950, 990, 1000, 5000, 100_000])
    one, other = draw.choice([(b"[", b"]"), (b'{"a":', b"}")])
    inside = one * depth + (b"1" if one != b"[" else b"") + other * depth * draw.choice([0, 1])
    return broken(draw, model, lambda raw: raw[:-1] + b', "options": ' + inside + b"}")


def key_twice(draw, model):
    return broken(draw, model, lambda raw: raw[:-1] + b"," + raw[1:])


def wrong_type(draw, model):
    path, body = model.drawn(draw)
    name = draw.choice([*body])
    kinds = [each for each in VALUES if type(each) is not type(body[name]) and not (name == "text_b" and each is None)]
    return Asked(encoded(body | {name: draw.choice(kinds)}).replace(b"Infinity", b"1e999"), (422,), path)


def wrong_items(draw, model):
    form = draw.choice(["texts", "pairs", "rows"])
    bad = [each for each in VALUES if not (form == "texts" and isinstance(each, str))]
    rows = [*model.forms.get(form, []), draw.choice(bad)]
    draw.shuffle(rows)
    return Asked(encoded({form: rows}).replace(b"Infinity", b"1e999"), (422,), f"/models/{model.name}/predict")


def no_object(draw, model):
    path, _ = model.drawn(draw)
    value = draw.choice([each for each in VALUES if not isinstance(each, dict) and each != float("inf")])
    return Asked(encoded(value), (422,), path)


def unknown_field(draw, model):
    path, body = model.drawn(draw)
    name = draw.choice([*ODD, "Texts", "text ", "a" * 5000])
    return Asked(encoded(body | {name: draw.choice(VALUES[:5])}), (422,), path)


def unknown_option(draw, model):
    path, body = model.drawn(draw)
    name = draw.choice([*ODD, "epochs", "seed", "settings", "__class__", "a" * 5000])
    return Asked(encoded(body | {"options": {name: draw.choice(VALUES[:5])}}), (422,), path)


def wrong_option(draw, model):
    path, body = model.drawn(draw)
    value = draw.choice([True, 1, 2.5, [], {}, {"a": {"b": []}}, "a" * 10_000, "\n"])
    return Asked(encoded(body | {"options": {"label_column": 3, "text_column": value}}), (422,), path)


def nothing_to_do(draw, model):
    address, body = draw.choice([*model.addresses.items()])
    if address.endswith("/predict"):
        return Asked(
            encoded(draw.choice([{}, *({form: []} for form in ("texts", "pairs", "rows")), {"options": {}}])),
            (422,),
            address,
        )
    return Asked(encoded(draw.choice([{}, {"text": None}, {"options": {}}])), (422,), address)


def several_forms(draw, model):
    return Asked(encoded({"texts": [TEXT], "pairs": [[TEXT, TEXT]]}), (422,), f"/models/{model.name}/predict")


def other_form(draw, model):
    body = {"pairs": [[TEXT, "b"]]} if "texts" in model.forms else {"texts": [TEXT]}
    return Asked(encoded(body), (422,), f"/models/{model.name}/predict")


def rows_without_text(draw, model):
    keys = [name for name in ODD if name] + ["Text", "TEXT", "body"]
    rows = [{draw.choice(keys): draw.choice(VALUES[:4])} for _ in range(draw.randint(1, 5))]
    return Asked(encoded({"rows": rows}), (422,), f"/models/{model.name}/predict")


def too_much(draw, model):
    path = f"/models/{model.name}/predict"
    form, rows = [*model.forms.items()][1]
    row = {"texts": "a" * 10_001, "pairs": ["a" * 10_001, "b"]}[form]
    bodies = [{form: rows * 257}, {form: [row]}, {"rows": [{"text": "a" * 20_000}]}]
    return Asked(encoded(draw.choice(bodies)), (413, 422), path)


def wrong_explanation(draw, model):
    path, body = model.drawn(draw)
    while path.endswith(("/predict", "/answer")):
        path, body = model.drawn(draw)
    answers = [*ODD[8:], "a" * 5000, "[" * 50_000, '["\\ud800", "\\ud800", "x"]', "[1" + "1" * 5000 + "]", "a|b", "a|b|c", [1, 2, "x"],
               [[]], {"a": 1}, 1e400, 10**300, True]  # fmt: skip
    more = draw.choice(
        [{"answer": draw.choice(answers)}, {"steps": draw.choice([0, -1, 501, 10**30, "1", 1.5, None, True])}]
    )
    return Asked(encoded(body | more).replace(b"Infinity", b"1e999"), (422,), path)


def unknown_model(draw, model):
    name = draw.choice(
        [
            "other",
            "%00",
            "%FF%FE",
            "%F0%9F%98%80",
            "..%2F..",
            "%2e%2e",
            "a" * 3000,
            "*",
            "%ED%A0%80",
            model.name + "%20",
        ]
    )
    path, body = model.drawn(draw)
    return Asked(encoded(body), (404,), path.replace(f"/{model.name}/", f"/{name}/"))


def unknown_path(draw, model):
    path = draw.choice(
        [
            "//",
            "/models/",
            "/models//predict",
            "/docs/",
            "/static/../..",
            "/metrics/x",
            "/%00",
            "/page",
            "/x?y=%FF",
            "/models/a/b/c",
        ]
    )
    return Asked(b"", (404, 405), path, draw.choice(["GET", "POST", "PUT", "DELETE"]))


def wrong_method(draw, model):
    path, body = model.drawn(draw)
    return Asked(
        encoded(body), (405,), path, draw.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
    )


def wrong_content_type(draw, model):
    kind = draw.choice(
        [None, "", "text/plain", "application/xml", "multipart/form-data; boundary=x", "application/jsonp", "é", ";"]
    )
    path, body = model.drawn(draw)
    return Asked(encoded(body), (415,), path, headers={} if kind is None else {"Content-Type": kind})


def large_body(draw, model):
    """A body above the limit, one time in twenty of 100 MB."""
    size = (100 << 20) if draw.random() < 0.05 else draw.randint(1025, 4000) << 10
    path, _ = model.drawn(draw)
    return Asked(b'{"texts": ["' + b"a" * size + b'"]}', (413,), path)


def no_http(draw, model):
    head = f"POST /models/{model.name}/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    begun = [head + each for each in BODIES_WITHOUT_LENGTH]
    return draw.choice([*NO_HTTP, *begun])


NO_HTTP = (
    b"\x00\xff\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
)  # fmt: skip
BODIES_WITHOUT_LENGTH = (
    b"Content-Length: x\r\n\r\n", b"Content-Length: -1\r\n\r\n", b"Content-Length: 1e3\r\n\r\n",
    b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"Transfer-Encoding: gzip\r\n\r\n",
)  # fmt: skip
KINDS = [
    invalid_utf8, other_encoding, cut, more_after_the_end, replaced_byte, no_number, lone_surrogate, nested, key_twice, wrong_type,
    wrong_items, no_object, unknown_field, unknown_option, wrong_option, nothing_to_do, several_forms, other_form, rows_without_text,
    too_much, wrong_explanation, unknown_model, unknown_path, wrong_method, wrong_content_type, large_body, no_http,
]  # fmt: skip
