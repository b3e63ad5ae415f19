"""A discharge in the sample EHR page (examples/ehr/sandbox.html), in headless Chromium.

    sandbox.py PAGE_ADDRESS SERVICE_ADDRESS [SHOTS_FOLDER]

PAGE_ADDRESS is that of the page, such as http://127.0.0.1:8000/sandbox.html, with the samples beside it.
The service at SERVICE_ADDRESS shows demonstration models and names the page's origin in
`ehr.allowed_origins`. Needs playwright, axe-playwright-python and a Chromium (CHROMIUM names it).
Prints one line `ok: ...` for each thing that holds; the last is `sandbox: all held`, or `failed: ...`
and it ends with 1.
"""

import json
import os
import sys
import urllib.parse

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

PAGE, SERVICE = sys.argv[1:3]
SHOTS = sys.argv[3] if len(sys.argv) > 3 else None
ORIGINS = {"{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(each)) for each in (PAGE, SERVICE)}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
MARKUP = "<img src=x onerror='window.ran = 1'>"


def ok(what, holds=True, found=None):
    if not holds:
        print(f"failed: {what}: {found!r}")
        sys.exit(1)
    print(f"ok: {what}")


class Ehr:
    """The page, used by the keyboard; it notes what should never happen."""

    def __init__(self, chromium, **options):
        self.context = chromium.new_context(reduced_motion="reduce", **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.strange = []
        self.page.on("pageerror", lambda error: self.strange.append(str(error)))
        self.page.on("request", self.request)
        self.page.on("console", self.console)

    def request(self, request):
        url = urllib.parse.urlsplit(request.url)
        if url.scheme not in ("data", "blob") and f"{url.scheme}://{url.netloc}" not in ORIGINS:
            self.strange.append(request.url)

    def console(self, message):
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.strange.append(message.text)

    def open(self, service=SERVICE, sample="patient.json"):
        self.page.goto(PAGE)
        self.page.fill("#address", service)
        self.page.select_option("#patient", sample)

    def enter(self, selector, key="Enter"):
        """Goes to an element by Tab alone, sees that the focus can be seen, and presses a key."""
        wanted = self.page.locator(selector).first.element_handle()
        for _ in range(200):
            found = wanted.evaluate(
                "e => document.activeElement === e ? parseFloat(getComputedStyle(e).outlineWidth) : null"
            )
            if found is not None:
                ok(f"{selector} is reached by the keyboard, and seen", found >= 2, found)
                self.page.keyboard.press(key)
                return
            self.page.keyboard.press("Tab")
        ok(f"{selector} is reached by the keyboard", False)

    def find_services(self):
        self.enter("#setup button")
        self.page.wait_for_selector("#services > li")

    def text(self, selector):
        return self.page.locator(selector).first.inner_text()

    def sound(self, what, **options):
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            found = Axe().run(self.page, options=RULES).response["violations"]
            faults = [(each["id"], [node["html"][:160] for node in each["nodes"]][:3]) for each in found]
            ok(f"{what}: axe finds nothing in {scheme}", not faults, faults)
            if SHOTS and self.page.viewport_size["width"] > 320:
                path = f"{SHOTS}/sandbox-{what.replace(' ', '-')}-{scheme}.png"
                self.page.screenshot(path=path, full_page=True)
        self.page.emulate_media(color_scheme="light")


def discharge(ehr):
    ehr.open()
    ehr.sound("the start")
    ehr.find_services()
    services = ehr.text("#services")
    ok("both hooks are found", "encounter-discharge" in services and "patient-view" in services, services)
    ok("the open stay is shown", "in hospital since" in ehr.text("#banner"), ehr.text("#banner"))
    ehr.sound("the services")
    ehr.enter("#services button:has-text('Discharge')")
    ehr.page.wait_for_selector("#answer:not([hidden])")
    ok("the discharge gives a card", ehr.page.locator(".card").count() > 0, ehr.text("#told"))
    card = ehr.text(".card")
    summary = ehr.text(".card h3")
    ok("with a short summary of the risk", "%" in summary and len(summary) < 140, summary)
    ok("and an indicator in words and by shape", "warning" in card and ehr.page.locator(".indicator path").count() > 0)
    ok("and reasons", "What it rests on" in card and "earlier inpatient stays" in card, card)
    ok("and what was assumed", "scored as if discharged now" in card, card)
    ok("and its source", "Source: Prodrome" in card, card)
    ok("Markdown is rendered, escapes and all", "**" not in card and "\\" not in card, card)
    ok("the focus is at the cards", ehr.page.evaluate("document.activeElement.id") == "answer-title")
    ehr.sound("a card")


def override(ehr):
    ehr.enter(".card button[aria-label^=Override]")
    ok("to override without a reason is refused in words", "Choose the reason" in ehr.text(".card .fault"))
    ok("at its field", ehr.page.locator(".card select").first.get_attribute("aria-invalid") == "true")
    ehr.sound("an override without reason")
    ehr.page.locator(".card select").first.focus()
    ehr.page.keyboard.type("The patient is followed")
    with ehr.page.expect_request("**/feedback") as sent:
        ehr.enter(".card button[aria-label^=Override]")
    ehr.page.wait_for_selector(".answered")
    [feedback] = json.loads(sent.value.post_data)["feedback"]
    reason = feedback["overrideReason"]["reason"]["code"]
    ok("the reason is sent", (feedback["outcome"], reason) == ("overridden", "followed-elsewhere"), feedback)
    ok("the service takes it", sent.value.response().status == 200, sent.value.response().status)
    ok("the card says so", "followed up elsewhere" in ehr.text(".answered"), ehr.text(".answered"))
    ok("both sides can be read", "overrideReason" in ehr.page.locator("#talk pre").first.text_content())
    ehr.sound("an overridden card")


def say_nothing(ehr):
    ehr.open(sample="low_risk.json")
    ehr.find_services()
    ehr.enter("#services button:has-text('Discharge')")
    ehr.page.wait_for_selector("#answer:not([hidden])")
    ok("at low risk there is no card", ehr.page.locator(".card").count() == 0, ehr.text("#answer"))
    ok("and the page says so", ehr.text("#answer h2") == "No card", ehr.text("#answer h2"))


def refuse(ehr):
    broken = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": {"resourceType": "Patient", "id": "p", "name": [{"text": MARKUP}], "birthDate": "long ago"}},
        {"resource": {"resourceType": "Encounter", "id": "e", "status": "in-progress", "class": {"code": "IMP"},
                      "subject": {"reference": "Patient/p"}, "period": {"start": "2999-01-01T00:00:00Z"}}},
    ]}
    ehr.open(sample="")
    file = {"name": "broken.json", "mimeType": "application/json", "buffer": json.dumps(broken).encode()}
    ehr.page.set_input_files("#file", file)
    ehr.find_services()
    ok("markup in a record is text", MARKUP in ehr.text("#banner"), ehr.text("#banner"))
    ehr.enter("#services button:has-text('Discharge')")
    ehr.page.wait_for_selector("[role=alert]")
    told = ehr.text("[role=alert]")
    ok("a fault is told in words, with its place", "400" in told and "birthDate" in told, told)
    ok("and no markup runs", ehr.page.evaluate("window.ran") is None)
    ehr.sound("a fault")
    ehr.open(service="http://127.0.0.1:9")
    ORIGINS.add("http://127.0.0.1:9")
    ehr.enter("#setup button")
    ehr.page.wait_for_selector("[role=alert]")
    ok("no answer is told with what to look at", "allowed_origins" in ehr.text("[role=alert]"), ehr.text("[role=alert]"))


def render_foreign(ehr):
    """Cards of another service, which may hold anything."""
    card = {"uuid": "00000000-0000-4000-8000-000000000000", "summary": MARKUP, "indicator": "critical",
            "detail": f"{MARKUP}\n\n- [here](javascript:window.ran=1)\n- 1 \\* 2 &lt; 3 **bold**\nafter",
            "source": {"label": MARKUP, "url": "javascript:window.ran=1"},
            "links": [{"label": "bad", "url": "javascript:window.ran=1", "type": "absolute"},
                      {"label": "good", "url": "https://risk.example/flags/1", "type": "absolute"}]}
    ehr.open()
    ehr.find_services()
    answer = {"status": 200, "headers": {"Access-Control-Allow-Origin": "*"}, "json": {"cards": [card]}}
    ehr.page.route("**/cds-services/prodrome-encounter-discharge", lambda route: route.fulfill(**answer))
    ehr.enter("#services button:has-text('Discharge')")
    ehr.page.wait_for_selector(".card")
    ok("markup in a card is text", ehr.text(".card h3") == MARKUP and MARKUP in ehr.text(".detail"))
    ok("escapes are read", "1 * 2 < 3 bold" in ehr.text(".detail li:nth-child(2)"), ehr.text(".detail"))
    links = [each.get_attribute("href") for each in ehr.page.locator(".card a").all()]
    ok("a link leads to the web or nowhere", links == ["https://risk.example/flags/1"], links)
    ok("and nothing runs", ehr.page.evaluate("window.ran") is None)
    ehr.sound("a critical card")


def narrow(chromium):
    ehr = Ehr(chromium, viewport={"width": 320, "height": 800})
    discharge(ehr)
    wide = ehr.page.evaluate("document.documentElement.scrollWidth")
    ok("it fits 320 pixels", wide <= 320, wide)
    if SHOTS:
        ehr.page.screenshot(path=f"{SHOTS}/sandbox-narrow.png", full_page=True)
    small = ehr.page.evaluate(
        "() => [...document.querySelectorAll('button, a, input, select, summary')]"
        ".filter(e => e.getBoundingClientRect().height > 0 && e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 80))"
    )
    ok("every target is at least 24 pixels high", not small, small)
    ok("nothing strange was done when it is narrow", not ehr.strange, ehr.strange)
    ehr.context.close()


with sync_playwright() as play:
    program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    chromium = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
    ehr = Ehr(chromium, viewport={"width": 1100, "height": 900})
    discharge(ehr)
    override(ehr)
    say_nothing(ehr)
    refuse(ehr)
    ok("nothing strange was done", not ehr.strange, ehr.strange)
    foreign = Ehr(chromium, viewport={"width": 1100, "height": 900})
    render_foreign(foreign)
    ok("nor with cards of others", not foreign.strange, foreign.strange)
    narrow(chromium)
    chromium.close()
print("sandbox: all held")
