"""Controls headless Chromium with the DevTools protocol over a pipe, which needs no other package."""

import base64
import json
import os
import shutil
import subprocess
import sys

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
# Chromium reads from file descriptor 3 and writes to 4. The copies have other numbers, so that neither replaces the other.
START = """
import fcntl, os, sys
copies = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3]]
for number, copy in enumerate(copies, 3):
    os.dup2(copy, number)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page of a browser.

    Args:
        profile: folder for the profile.

    Attributes:
        requests: addresses that the page has requested.
        messages: messages on the console, uncaught errors and blocked requests.
    """

    def __init__(self, profile):
        self.requests, self.messages, self._number, self._loaded = [], [], 0, False
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"]
        words = [sys.executable, "-c", START, str(to_read), str(to_write), *command]
        self.process = subprocess.Popen(words, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self._rest, self._session = b"", {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Calls a method of the DevTools protocol and returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters} | self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (found := self._received()).get("id") != self._number:
            self._note(found.get("method"), found.get("params", {}))
        assert "error" not in found, (method, found)
        return found["result"]

    def _received(self):
        while b"\0" not in self._rest:
            part = os.read(self._from, 1 << 16)
            assert part, "Chromium has ended"
            self._rest += part
        raw, _, self._rest = self._rest.partition(b"\0")
        return json.loads(raw)

    def _note(self, method, about):
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.messages.append(about["exceptionDetails"])
        elif method == "Log.entryAdded":
            self.messages.append(about["entry"])
        elif method == "Runtime.consoleAPICalled":
            self.messages.append(about["args"])

    def open(self, url, width, height=900):
        """Opens an address in a window of this size, and waits until the page is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        self._loaded = False
        self.call("Page.navigate", url=url)
        while not self._loaded:
            found = self._received()
            self._note(found.get("method"), found.get("params", {}))

    def run(self, code):
        """Evaluates an expression of JavaScript, waits if it is a promise, and returns its value."""
        found = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, file):
        """Saves a picture of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(data))

    def close(self):
        self.call("Browser.close")
        self.process.wait(60)
        os.close(self._to)
        os.close(self._from)
