"""What the scripts of the pages share: a browser that is used by the keyboard, and notes what it should
never do. Their first words are ADDRESS KEY_FILE, and their fourth a folder for pictures."""

import contextlib
import os
import sys
import urllib.parse

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

ADDRESS, KEY_FILE = sys.argv[1:3]
SHOTS = sys.argv[4] if len(sys.argv) > 4 else None
KEY = open(KEY_FILE).read().strip()
HOST = urllib.parse.urlsplit(ADDRESS).netloc
AXE = Axe()
# Levels A and AA of WCAG 2.2, and what the makers of axe hold for good practice.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def ok(what, holds=True, found=None):
    if not holds:
        print(f"failed: {what}: {found!r}")
        sys.exit(1)
    print(f"ok: {what}")


class Browser:
    """A browser that notes what it should never do."""

    def __init__(self, chromium, **options):
        self.context = chromium.new_context(reduced_motion="reduce", **options)
        self.page = self.context.new_page()
        self.strange = []
        self.page.on("request", self.request)
        self.page.on("console", self.console)
        self.page.on("pageerror", lambda error: self.strange.append(str(error)))

    def request(self, request):
        parts = urllib.parse.urlsplit(request.url)
        if parts.netloc != HOST and parts.scheme != "data":
            self.strange.append(f"a request to {parts.netloc}")
        if KEY in request.url:
            self.strange.append("the key in an address")

    def console(self, message):
        # A refused form is an answer with a status of its own, which Chromium notes there.
        if message.type in ("error", "warning") and "the server responded with a status of 4" not in message.text:
            self.strange.append(message.text)

    def open(self, path="/"):
        self.page.goto(ADDRESS + path)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, selector, back=False):
        """Goes to an element by Tab alone, and sees that the focus can be seen."""
        wanted = self.page.locator(selector).first.element_handle()
        for _ in range(400):
            found = wanted.evaluate(
                "wanted => { if (document.activeElement !== wanted) return null;"
                " const s = getComputedStyle(wanted), b = wanted.getBoundingClientRect();"
                " return [s.outlineStyle, parseFloat(s.outlineWidth), b.top, b.bottom, innerHeight]; }"
            )
            if found:
                style, width, top, bottom, height = found
                if style == "none" or width < 2 or bottom < 0 or top > height:
                    ok(f"the focus on {selector} is seen", False, found)
                return
            self.press("Shift+Tab" if back else "Tab")
        ok(f"{selector} is reached by the keyboard", False)

    def enter(self, selector):
        """Goes to an element and presses Enter, which leads to another page."""
        self.tab_to(selector)
        with self.page.expect_navigation():
            self.press("Enter")

    def log_in(self, key=KEY):
        self.open("/login")
        self.tab_to("#secret")
        self.page.keyboard.type(key)
        with self.page.expect_navigation():
            self.press("Enter")

    def text(self, selector="main"):
        return self.page.locator(selector).first.inner_text()

    def shot(self, name, **options):
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png", **options)

    def sound(self, what):
        """No fault of access on the page, in light and in dark, and none that axe is unsure of in targets' size."""
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            found = AXE.run(self.page, options=RULES).response["violations"]
            faults = [(v["id"], [n["html"][:160] for n in v["nodes"]][:3]) for v in found]
            ok(f"{what}: axe finds nothing in {scheme}", not faults, faults)
            self.shot(f"{what.replace(' ', '-')}-{scheme}")
        self.page.emulate_media(color_scheme="light")
        size = len(self.page.content().encode())
        ok(f"{what}: at most 100 KB", size <= 100_000, size)


@contextlib.contextmanager
def chromium():
    """A headless Chromium."""
    with sync_playwright() as play:
        program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        started = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()
