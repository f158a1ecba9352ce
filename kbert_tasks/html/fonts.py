"""Chinese in the page and in its plots, also where neither this machine nor the reader's has a Chinese font."""

import base64
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

PACKAGE, FILE = "pylopdf_fonts_zh_cn", "NotoSansSC-Regular.otf"  # Noto Sans SC; SIL Open Font License
# What systems have, the best to read first; names begin so.
SYSTEM = (
    "Noto Sans SC", "Noto Sans CJK", "Source Han Sans", "PingFang", "Microsoft YaHei", "Hiragino Sans GB", "Heiti",
    "WenQuanYi", "SimHei", "LXGW", "Droid Sans Fallback", "Arial Unicode", "Noto Serif CJK", "Songti", "SimSun", "AR PL",
)  # fmt: skip
FAMILY = "Report Han"  # in the page's CSS
HAN = 0x2E80  # the first character that is taken from it: its quotation marks, for one, are too wide for English


@dataclass(frozen=True)
class Font:
    """A font with Chinese characters.

    Attributes:
        file: its path.
        name: under which matplotlib knows it.
        free: whether its licence lets the page carry a part of it.
    """

    file: str
    name: str
    free: bool


def chinese():
    """The package's font, else the best of the system's, else None."""
    from matplotlib.font_manager import FontProperties, fontManager

    spec = importlib.util.find_spec(PACKAGE)
    file = Path(spec.origin).with_name(FILE) if spec and spec.origin else None
    if file and file.is_file():
        if all(entry.fname != str(file) for entry in fontManager.ttflist):
            fontManager.addfont(file)
        return Font(str(file), FontProperties(fname=file).get_name(), True)
    for name in SYSTEM:
        for entry in fontManager.ttflist:
            if entry.name.startswith(name):
                return Font(entry.fname, entry.name, False)
    return None


def face(font, text):
    """CSS that carries the characters of `text` from HAN on as a font; "" if the font has none of them.

    Args:
        font: a free Font.
        text: the page. What the font lacks (emoji, the rarest characters) is left to the reader's machine.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    # WOFF, not WOFF2: a tenth larger, but made in a third of the time and without one more package.
    # The names kept are the copyright and the licence.
    options = Options(layout_features=[], hinting=False, desubroutinize=True, glyph_names=False, name_IDs=[0, 13, 14])
    with TTFont(font.file, lazy=True, recalcTimestamp=False) as whole:
        characters = {ord(c) for c in text if ord(c) >= HAN} & whole.getBestCmap().keys()
        if not characters:
            return ""
        part = Subsetter(options)
        part.populate(unicodes=characters)
        part.subset(whole)
        whole.flavor, out = "woff", io.BytesIO()
        whole.save(out)
    data = base64.b64encode(out.getvalue()).decode()
    source = f'src: url(data:font/woff;base64,{data}) format("woff")'
    return f'@font-face {{ font-family: "{FAMILY}"; {source}; unicode-range: U+{HAN:X}-10FFFF; }}'


def embedded(page, font):
    """The page (HTML) with a free Font's characters that it has; as it is without such a font."""
    if not (font and font.free):  # its licence lets the page carry it
        return page
    head, rest = page.split("</head>", 1)  # the first one is the page's own: text is escaped
    return f"{head}<style>{face(font, page)}</style>\n</head>{rest}"


def advice(font):
    """One line on what Chinese looks like in this page where it is not sure to show; None where it is."""
    if font is None:
        return (
            "This machine has no Chinese font: Chinese in the plots is shown as boxes, and text in whatever font you have. "
            f"pip install {PACKAGE.replace('_', '-')} mends both."
        )
    if not font.free:
        return f"Chinese text is shown in a font of yours: none is embedded without pip install {PACKAGE.replace('_', '-')}."
    return None
