# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, driven by its DevTools protocol over a pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile


class Browser:
    """`with Browser() as b`; b.missing says why there is none. b.events are those of the
    domains that are enabled, since the last open()."""

    def __init__(self):
        self.program = shutil.which("chromium") or shutil.which("chromium-browser")
        self.missing = "" if self.program else "Chromium is not installed"
        self.number, self.session, self.rest, self.events = 0, None, b"", []
        self.process = None

    def __enter__(self):
        if self.missing:
            return self
        self.start()
        try:
            self.call("Browser.getVersion")
        except OSError as error:
            self.missing = f"Chromium does not start: {error}"
        return self

    def start(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self.to = os.pipe()
        self.of, to_write = os.pipe()
        # The protocol is on descriptors 3 and 4.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", self.program,
             "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--disable-dev-shm-usage", f"--user-data-dir={self.profile.name}",
             "--remote-debugging-pipe"],
            pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)

    def __exit__(self, *_):
        if not self.process:
            return
        self.session = None
        try:
            self.call("Browser.close")
        except OSError:
            pass
        os.close(self.to)
        os.close(self.of)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.profile.cleanup()

    def call(self, method, **params):
        """The result of a command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                if not select.select([self.of], [], [], 60)[0]:
                    raise OSError("no reply in 60 s")
                more = os.read(self.of, 1 << 16)
                if not more:
                    raise OSError("Chromium has ended")
                self.rest += more
            line, self.rest = self.rest.split(b"\0", 1)
            reply = json.loads(line)
            if reply.get("id") == self.number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                return reply["result"]
            if "method" in reply:
                self.events.append(reply)

    def open(self, url, *domains):
        """In a page of its own, with the events of these domains."""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        self.events = []
        for domain in ("Page", *domains):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.call("Page.navigate", url=url)
        self.run("new Promise(done => document.readyState === 'complete' ? done() "
                 ": window.addEventListener('load', () => done()))")

    def close(self):
        """The page."""
        self.call("Page.close")
        self.session = None

    def run(self, script):
        """The value of an expression of JavaScript, or of the promise that it is."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:600])
        return result["result"].get("value")

    def size(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setTouchEmulationEnabled", enabled=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def key(self, name):
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name,
                      windowsVirtualKeyCode={"Tab": 9, "Enter": 13}[name])

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))
