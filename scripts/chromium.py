"""Headless Chromium through its debugging pipe: needs nothing but Python and Chromium."""
import base64
import json
import os
import subprocess
import time


class Browser:
    """A headless Chromium.

    It reads commands from its descriptor 3 and answers on 4, each ended by a zero byte.
    """

    def __init__(self, browser):
        (to_read, self.to_write), (self.from_read, from_write) = os.pipe(), os.pipe()

        def connect():
            # First out of the way: the pipes may have the numbers 3 and 4 themselves.
            os.dup2(to_read, 100)
            os.dup2(from_write, 101)
            os.dup2(100, 3)
            os.dup2(101, 4)

        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += ["--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND", "about:blank"]
        self.process = subprocess.Popen([browser, *options], preexec_fn=connect, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.count, self.rest, self.events = 0, b"", []

    def call(self, method, session=None, **parameters):
        self.count += 1
        command = {"id": self.count, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self.to_write, data):]
        while True:
            answer = self.receive()
            if answer.get("id") != self.count:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def receive(self):
        while b"\0" not in self.rest:
            data = os.read(self.from_read, 1 << 16)
            if not data:
                raise RuntimeError("the browser has ended")
            self.rest += data
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def end(self):
        self.call("Browser.close")
        self.process.wait(10)


class Page:
    """A page of one file, in a width, height and colour scheme."""

    def __init__(self, browser, file, width, height, scheme="light", fragment=""):
        self.browser, self.file, self.url = browser, file, f"file://{os.path.abspath(file)}{fragment}"
        browser.events.clear()
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=self.url)
        loaded = "document.readyState === 'complete' && location.href !== 'about:blank'"
        self.until(loaded, "the page is loaded")

    def resize(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def get(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{self.file}: {expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def holds(self, expression, what):
        found = self.get(expression)
        assert found is True, f"{self.file}: not so: {what} ({expression} is {found})"

    def until(self, expression, what):
        for _ in range(100):
            if self.get(expression) is True:
                return
            time.sleep(0.05)
        raise AssertionError(f"{self.file}: not within 5 s: {what} ({expression})")

    def settle(self):
        """Waits until changes of the view are drawn."""
        self.get("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x, y):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)
        self.settle()

    def key(self, key):
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settle()

    def picture(self, folder, name):
        if folder:
            with open(os.path.join(folder, name + ".png"), "wb") as file:
                file.write(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self):
        """Closes the page; fails if it has reported an error or asked for another file."""
        self.get("1")
        for event in self.browser.events:
            method, of = event.get("method"), event.get("params", {})
            is_error = method == "Runtime.exceptionThrown"
            is_error |= method == "Log.entryAdded" and of["entry"]["level"] != "info"
            is_error |= method == "Runtime.consoleAPICalled" and of["type"] in ("error", "warning")
            assert not is_error, f"{self.file}: reports {of}"
            if method == "Network.requestWillBeSent":
                asked = of["request"]["url"].split("#")[0]
                assert asked == self.url.split("#")[0], f"{self.file}: asks for {asked}"
        self.browser.call("Target.closeTarget", targetId=self.target)
