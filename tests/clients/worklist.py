"""A nurse with a keyboard at the work list, in headless Chromium.

    worklist.py ADDRESS KEY_FILE IDLE_SECONDS [SHOTS_FOLDER]

The server at ADDRESS has 31 open flags, of which one is of a patient whose id is markup, and logs
off after IDLE_SECONDS. KEY_FILE holds the nurse's API key. Needs playwright, axe-playwright-python
and a Chromium (CHROMIUM names it). Prints one line `ok: ...` for each thing that holds, and ends
with 1 at the first that does not.
"""

import sys
import time

from browser import ADDRESS, KEY, SHOTS, Browser, chromium as browsers, ok

IDLE_SECONDS = float(sys.argv[3])
MARKUP = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"


def log_in(nurse):
    nurse.open()
    ok("who is not logged in sees the login", nurse.page.url.endswith("/login"), nurse.page.url)
    nurse.sound("the login")
    nurse.log_in("prk_0000000000000000_wrong")
    field = nurse.page.locator("#secret")
    ok("a wrong key is told at its field", field.get_attribute("aria-invalid") == "true")
    described = field.get_attribute("aria-describedby").split()
    told = " ".join(nurse.text(f"#{name}") for name in described)
    ok("and in words", "API key" in told and KEY not in nurse.page.content(), told)
    nurse.sound("the login refused")
    nurse.log_in()
    ok("the key opens the list", nurse.page.url == ADDRESS + "/", nurse.page.url)
    cookies = nurse.context.cookies()
    mine = [c for c in cookies if "session" in c["name"]]
    ok("the session is a cookie that no script reads", len(mine) == 1 and mine[0]["httpOnly"])
    ok("and that no other site sends", mine[0]["sameSite"] == "Strict")
    ok("no script sees it", "session" not in nurse.page.evaluate("document.cookie"))


def read_the_list(nurse):
    text = nurse.text()
    ok("the list tells how many flags there are", "31 open flags" in text, text[:200])
    ok("a risk is told as a count and in percent", "About " in text and "%)" in text)
    ok("and why", "Goes with a higher risk" in text)
    ok("and how fresh the record is", "last entry within the hour" in text)
    ok("the tier is a word beside its shape", nurse.page.locator(".tier svg path").count() > 0 and "High" in text)
    nurse.sound("the list")
    ok("markup as a patient id is text", MARKUP in nurse.page.locator("h3").all_inner_texts() or find(nurse, MARKUP))
    ok("and does not run", nurse.page.evaluate("window.ran") is None)
    nurse.open("/?size=50")
    ok("a page of 31 flags", nurse.page.locator(".flags > li").count() == 31)
    nurse.sound("the longest list")


def find(nurse, patient):
    """Whether the patient is on some page of the list."""
    while nurse.page.locator("a[rel=next]").count():
        nurse.enter("a[rel=next]")
        if patient in nurse.page.locator("h3").all_inner_texts():
            return True
    return False


def page_through(nurse):
    nurse.open("/?size=10")
    seen = []
    while True:
        seen += nurse.page.locator("h3").all_inner_texts()
        if not nurse.page.locator("a[rel=next]").count():
            break
        nurse.enter("a[rel=next]")
    ok("paging shows each flag once", len(seen) == 31 and len(set(seen)) == 31, len(seen))
    ok("and says where one is", "31 to 31 of 31" in nurse.text("h2"), nurse.text("h2"))


def told(nurse):
    return nurse.text("#told")


def answer(nurse):
    nurse.open()
    patient = nurse.text("h3")
    nurse.enter(".flags > li:first-child button[value=acknowledge]")
    ok("a flag is acknowledged in the list", "acknowledged" in told(nurse), told(nurse))
    ok("and says so", "acknowledged" in nurse.text(".flags > li:first-child .state"))
    ok("the title tells it too", "acknowledged" in nurse.page.title(), nurse.page.title())
    nurse.enter(".flags > li:first-child h3 a")
    ok("a flag has a page", nurse.text("h1") == patient, nurse.text("h1"))
    ok("with what happened to it", "Raised" in nurse.text(".events") and "Acknowledged, by nurse" in nurse.text(".events"))
    ok("and the exact words of the outcome", "another inpatient stay" in nurse.text())
    nurse.sound("a flag")

    nurse.tab_to("#assignee")
    nurse.page.keyboard.type("charge nurse")
    nurse.enter("button[value=assign]")
    ok("it is assigned", "charge nurse" in nurse.text("dl") and "assigned" in told(nurse))
    nurse.enter("button[value=dismiss]")
    ok("to dismiss without a reason is refused", "Choose the reason" in nurse.text(".error"), nurse.text())
    ok("at its field", nurse.page.locator("#reason").get_attribute("aria-invalid") == "true")
    nurse.sound("a form refused")
    nurse.enter("button[value=snooze]")
    ok("so is a snooze without a day", "Give a day" in nurse.text(".error"))
    nurse.enter("button[value=snooze-3]")
    ok("it is snoozed", nurse.text(".state") == "snoozed" and "Snoozed until" in nurse.text("dl"))
    nurse.enter("button[value=reopen]")
    ok("and reopened", nurse.text(".state") == "new", nurse.text(".state"))
    nurse.enter("button[value=useful]")
    ok("feedback is taken", "feedback" in told(nurse))
    nurse.tab_to("#action")
    nurse.page.keyboard.type("book")
    nurse.enter("button[value=act]")
    ok("an action answers it", nurse.text(".state") == "answered" and "booked a visit" in nurse.text("dl"))
    nurse.sound("an answered flag")
    nurse.enter("main a >> nth=0")
    ok("an answered flag leaves the list", "30 open flags" in nurse.text(), nurse.text("h2"))


def dismiss(nurse, asks):
    nurse.enter(".flags > li:nth-child(2) h3 a")
    nurse.tab_to("#reason")
    nurse.page.keyboard.type("followed")
    if asks:
        questions = []
        nurse.page.once("dialog", lambda dialog: (questions.append(dialog.message), dialog.accept()))
    nurse.enter("button[value=dismiss]")
    if asks:
        ok("the script asks before a flag is dismissed", "Dismiss" in "".join(questions), questions)
    ok("a flag is dismissed with its reason", "followed up elsewhere" in nurse.text("dl"), nurse.text("dl"))


def choose(nurse):
    nurse.open()
    nurse.tab_to("summary")
    nurse.press("Enter")
    nurse.tab_to("input[value=acknowledged]")
    nurse.press("Space")
    nurse.tab_to("#unit")
    nurse.page.keyboard.type("Ward 2")
    nurse.enter(".filters button")
    units = nurse.page.locator(".flags dl").all_inner_texts()
    ok("the list is chosen by unit and state", units and all("Ward 2" in unit for unit in units), units[:2])
    ok("and says that some are left out", "that fit" in nurse.text("#count") and "some are left out" in nurse.text("summary"))
    nurse.sound("a chosen list")
    nurse.open("/?state=odd")
    ok("an address that makes no sense is told", "No such list" in nurse.text("h1"))
    nurse.sound("a message")
    nurse.open("/flags/00000000000000000000000000000000")
    ok("so is a flag that is none", "No such flag" in nurse.text("h1"))


def conflict(nurse, other):
    """Two have the same flag open."""
    nurse.open()
    nurse.enter(".flags > li:nth-child(3) h3 a")
    other.page.goto(nurse.page.url)
    other.enter("button[value=acknowledge]")
    nurse.enter("button[value=snooze-1]")
    ok("what somebody else did first is told", "changed this flag meanwhile" in nurse.text("h1"), nurse.text("h1"))
    ok("and who, and what one wanted", "Acknowledged, by nurse" in nurse.text() and "snooze it until" in nurse.text())
    nurse.sound("a conflict")
    nurse.enter("main form button")
    ok("one can do it all the same", nurse.text(".state") == "snoozed", nurse.text(".state"))


def forge(nurse):
    """What a page of another site could send, and what a form without its token is worth."""
    nurse.open()
    form = nurse.page.locator(".flags form").first
    action = form.get_attribute("action")
    fields = {name: form.locator(f"input[name={name}]").get_attribute("value") for name in ("form", "version")}
    before = nurse.text("#count")
    post = lambda fields, headers: nurse.context.request.post(ADDRESS + action, form=fields, headers=headers).status
    wish = {"do": "dismiss", "reason": "record_wrong"}
    ok("a form without its token is refused", post({**wish, "version": fields["version"]}, {}) == 403)
    ok("one with the token of another is, too", post({**fields, **wish, "form": "A" * 43}, {}) == 403)
    ok("one of another site is, too", post({**fields, **wish}, {"Sec-Fetch-Site": "cross-site"}) == 403)
    ok("one of another origin is, too", post({**fields, **wish}, {"Origin": "https://evil.example"}) == 403)
    ok("an address changes nothing", nurse.context.request.get(ADDRESS + action + "?do=dismiss&reason=record_wrong").status == 200)
    nurse.open()
    ok("and nothing was changed", nurse.text("#count") == before)
    stranger = nurse.context.browser.new_context()
    status = stranger.request.post(ADDRESS + action, form={**fields, **wish}, max_redirects=0).status
    ok("nobody changes anything without a session", status == 303, status)
    stranger.close()


def headers(nurse):
    answer = nurse.context.request.get(ADDRESS + "/")
    said = answer.headers
    policy = said["content-security-policy"]
    ok("nothing is fetched or framed", "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, policy)
    ok("nothing is kept", said["cache-control"] == "no-store" and said["x-content-type-options"] == "nosniff")
    ok("no address leaves", said["referrer-policy"] == "no-referrer")


def large(chromium, key):
    """At 320 CSS pixels, which is 400% of 1280, nothing has to be scrolled sideways."""
    for width, scale in ((320, 1), (390, 2), (640, 2)):
        nurse = Browser(chromium, viewport={"width": width, "height": 800}, device_scale_factor=scale)
        nurse.log_in(key)
        wide = nurse.page.evaluate("document.documentElement.scrollWidth")
        ok(f"the list fits {width} pixels", wide <= width, wide)
        nurse.shot(f"list-{width}")
        nurse.enter(".flags h3 a")
        wide = nurse.page.evaluate("document.documentElement.scrollWidth")
        ok(f"a flag fits {width} pixels", wide <= width, wide)
        small = nurse.page.evaluate(
            "() => [...document.querySelectorAll('main a, main button, main input:not([type=hidden]), main select')]"
            ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])"
            ".filter(([_, b]) => b.height > 0 && b.height < 24).map(([html, _]) => html)"
        )
        ok("every target is at least 24 pixels high", not small, small)
        nurse.shot(f"flag-{width}", full_page=True)
        ok("nothing strange was done", not nurse.strange, nurse.strange)
        nurse.context.close()


def seen_otherwise(chromium):
    if not SHOTS:
        return
    nurse = Browser(chromium, viewport={"width": 1280, "height": 900})
    nurse.log_in()
    devtools = nurse.context.new_cdp_session(nurse.page)
    for kind in ("achromatopsia", "deuteranopia", "protanopia", "tritanopia"):
        devtools.send("Emulation.setEmulatedVisionDeficiency", {"type": kind})
        nurse.shot(f"list-{kind}")
    devtools.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    nurse.page.emulate_media(forced_colors="active")
    nurse.shot("list-forced-colors")
    nurse.page.emulate_media(forced_colors="none", media="print")
    nurse.shot("list-print", full_page=True)
    nurse.context.close()


def leave(nurse):
    nurse.open()
    nurse.enter("header button")
    ok("one can log off", "You are logged off" in nurse.text(), nurse.text())
    nurse.open()
    ok("and is", nurse.page.url.endswith("/login"))


def idle(chromium):
    nurse = Browser(chromium)
    nurse.log_in()
    ok("logged in for a while", nurse.page.url == ADDRESS + "/", nurse.page.url)
    nurse.page.wait_for_url("**/login?ended=idle", timeout=1000 * (IDLE_SECONDS + 15))
    ok("who does nothing is logged off, and no patient stays on the screen", "nothing was done" in nurse.text())
    nurse.context.close()
    waiting = chromium.new_context()
    session = Browser(chromium)
    session.log_in()
    kept = session.context.cookies()
    session.context.close()
    waiting.add_cookies(kept)
    time.sleep(IDLE_SECONDS + 1)
    answer = waiting.request.get(ADDRESS + "/", max_redirects=0)
    ok("the server has forgotten the session, too", answer.headers.get("location") == "/login?ended=idle", answer.status)
    waiting.close()


with browsers() as chromium:
    nurse = Browser(chromium, viewport={"width": 1280, "height": 900})
    if IDLE_SECONDS < 60:
        idle(chromium)
    else:
        log_in(nurse)
        headers(nurse)
        read_the_list(nurse)
        page_through(nurse)
        answer(nurse)
        dismiss(nurse, asks=True)
        choose(nurse)
        other = Browser(chromium)
        other.log_in()
        conflict(nurse, other)
        forge(nurse)
        large(chromium, KEY)
        seen_otherwise(chromium)
        leave(nurse)
        ok("nothing strange was done", not nurse.strange + other.strange, nurse.strange + other.strange)
        plain = Browser(chromium, java_script_enabled=False)
        plain.open("/login")
        plain.page.fill("#secret", KEY)
        plain.page.click("main button.main")
        ok("without a script one logs in", plain.page.url == ADDRESS + "/", plain.page.url)
        plain.page.click(".flags > li:nth-child(4) h3 a")
        plain.page.select_option("#reason", "already_known")
        plain.page.click("button[value=dismiss]")
        ok("dismisses", "known already" in plain.text("dl"), plain.text("dl"))
        plain.open()
        plain.page.click(".flags > li:first-child button[value=take]")
        ok("and takes a flag on", "nurse" in plain.text(".flags > li:first-child dl"))
        plain.page.click("summary")
        plain.page.fill("#unit", "Ward 1")
        plain.page.click(".filters button")
        ok("and chooses", "that fit" in plain.text("#count"), plain.text("#count"))
        ok("nothing strange was done", not plain.strange, plain.strange)
