"""Embeds a Chinese font in the page and its plots, so that no Chinese font has to be installed."""

import base64
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

PACKAGE, FILE = "pylopdf_fonts_zh_cn", "NotoSansSC-Regular.otf"  # Noto Sans SC; SIL Open Font License
# Prefixes of the names of common system fonts, the most readable first.
SYSTEM = (
    "Noto Sans SC", "Noto Sans CJK", "Source Han Sans", "PingFang", "Microsoft YaHei", "Hiragino Sans GB", "Heiti",
    "WenQuanYi", "SimHei", "LXGW", "Droid Sans Fallback", "Arial Unicode", "Noto Serif CJK", "Songti", "SimSun", "AR PL",
)  # fmt: skip
FAMILY = "Report Han"  # name in the CSS of the page
HAN = 0x2E80  # first character taken from the font; others, such as its quotation marks, are too wide for English


@dataclass(frozen=True)
class Font:
    """A font with Chinese characters.

    Attributes:
        file: path of the font file.
        name: name of the font in matplotlib.
        free: whether the licence allows embedding a part of the font in the page.
    """

    file: str
    name: str
    free: bool


def chinese() -> Font | None:
    """Returns the font of the package, otherwise the best system font, otherwise None."""
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


def face(font: Font, text: str) -> str:
    """Returns CSS that embeds the characters of `text` from HAN on; "" if the font has none of them.

    Args:
        font: a free Font.
        text: the page. The browser displays characters that the font lacks (emoji, the rarest characters) in another font.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    # WOFF is a tenth larger than WOFF2, but takes a third of the time and needs no additional package.
    # The name IDs that are kept hold the copyright and the licence.
    options = Options(layout_features=[], hinting=False, desubroutinize=True, glyph_names=False, name_IDs=[0, 13, 14])
    # The boxes of the whole font are right for a part of it too, and computing them takes a third of the time.
    with TTFont(font.file, lazy=True, recalcBBoxes=False, recalcTimestamp=False) as whole:
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


def embedded(page: str, font: Font | None) -> str:
    """Returns the HTML page with the required characters of a free Font embedded; unchanged without a free Font."""
    if not (font and font.free):
        return page
    head, rest = page.split("</head>", 1)  # the first </head> is not user text, because text is escaped
    return f"{head}<style>{face(font, page)}</style>\n</head>{rest}"


def advice(font: Font | None) -> str | None:
    """Returns one line about how the page displays Chinese text, or None if the page embeds a font."""
    if font is None:
        return (
            "This machine has no Chinese font: the plots show Chinese characters as boxes, and the page uses a font of the reader. "
            f"To embed a font, run pip install {PACKAGE.replace('_', '-')}."
        )
    if not font.free:
        return f"The page uses a font of the reader for Chinese text. To embed a font, run pip install {PACKAGE.replace('_', '-')}."
    return None
