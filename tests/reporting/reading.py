"""Reads a page like a browser, for the tests: its tags, ids, links and visible text."""

import html.parser
import re


class Page(html.parser.HTMLParser):
    """Attributes: `tags` (names, in order), `ids`, `links` (values of src, href and so on), `text` (visible text), `style`."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.ids, self.links, self.sections, self.style, self.text = [], [], [], [], "", ""
        self._within = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
                self.links.append(value)
            if name == "style":
                self.style += value + "\n"
        if tag == "section":
            self.sections.append(dict(attributes)["id"])
        if tag in ("style", "script"):
            self._within = tag

    def handle_endtag(self, tag):
        if tag == self._within:
            self._within = None
        self.text += " " if tag in ("td", "th", "dt", "dd", "li", "p") else ""

    def handle_data(self, data):
        if self._within == "style":
            self.style += data
        elif self._within is None:
            self.text += data

    @property
    def words(self):
        return re.sub(r"\s+", " ", self.text)

    @property
    def loaded(self):
        """Addresses that the page would load from elsewhere."""
        urls = (
            self.links + re.findall(r"url\(\s*['\"]?([^)'\"]*)", self.style) + re.findall(r"@import[^;]*", self.style)
        )
        return [url for url in urls if not url.startswith(("#", "data:"))]
