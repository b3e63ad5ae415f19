"""Somebody with a keyboard at the trends page, in headless Chromium.

    trends.py ADDRESS KEY_FILE IDLE_SECONDS [SHOTS_FOLDER]

The server at ADDRESS has a release with statements whose title, and one region of it, are markup.
KEY_FILE holds the key of somebody who may see the list and the trends. Needs playwright,
axe-playwright-python and a Chromium (CHROMIUM names it). Prints one line `ok: ...` for each thing that
holds, and ends with 1 at the first that does not.
"""

from browser import ADDRESS, KEY, Browser, chromium as browsers, ok

MARKUP = "<script>window.ran = 1</script>"


def read(visitor):
    visitor.log_in()
    visitor.enter("header nav a[href='/trends']")
    ok("a link leads from the list to the trends", visitor.page.url == ADDRESS + "/trends", visitor.page.url)
    ok("the part one is in is marked", visitor.text("header nav [aria-current=page]") == "Trends")
    text = visitor.text()
    ok("statements stand first, ranked", "rise of 7.0 points" in visitor.text(".statements > li:first-child"), text[:300])
    ok("with what they are of", "Rising, for the worse" in text and "95% interval" in text)
    ok("and what else may explain them", "Caution. The share of people measured rose" in text)
    ok("simulated people are named so", "Nobody in these figures exists" in text)
    ok("markup in a title is text", MARKUP in text)
    ok("and does not run", visitor.page.evaluate("window.ran") is None)
    visitor.sound("the trends")


def open_figures(visitor):
    visitor.enter(".statements > li:first-child a")
    ok("a statement leads to its figures", "Men 60-69, region 021" in visitor.text("#figures"), visitor.text("h2"))
    chart = visitor.page.locator(".chart svg")
    named = chart.evaluate("e => e.getAttribute('aria-labelledby').split(' ').map(i => document.getElementById(i).textContent).join(' ')")
    ok("the chart has its figures in words", "2020: 31.2%" in named and "2024:" in named, named)
    rows = visitor.page.locator(".scroll tbody tr")
    ok("and a table of them beside it", rows.count() == 5 and "%" in rows.first.inner_text(), rows.count())
    ok("the statement's periods are marked by more than colour", chart.locator("polygon").count() == 1)
    visitor.tab_to(".scroll")
    visitor.sound("a series")


def choose(visitor):
    visitor.open("/trends")
    visitor.tab_to("summary")
    visitor.press("Enter")
    visitor.tab_to("#region")
    visitor.page.keyboard.type("other")
    visitor.enter(".filters button")
    ok("people are chosen", "Other regions" in visitor.text("#figures"), visitor.text("#figures"))
    ok("what is kept back is told", "not shown (fewer than 11)" in visitor.text(".scroll"))
    ok("and is a cross in the chart, not a gap alone", visitor.page.locator(".chart .marks line").count() >= 4)
    ok("and the list says that some are left out", "0 changes that fit" in visitor.text("#count"), visitor.text("#count"))
    visitor.sound("chosen people")
    visitor.enter(".narrower a")
    ok("one goes on to a part of the group", "other regions" in visitor.text("#figures"))
    visitor.open("/trends?region=nowhere")
    ok("a region that is none is told", "No such trends" in visitor.text("h1"), visitor.text())
    visitor.sound("a region that is none")


def large(chromium):
    """At 320 CSS pixels, which is 400% of 1280, nothing but the table has to be scrolled sideways."""
    for width, scale in ((320, 1), (390, 2), (640, 2)):
        visitor = Browser(chromium, viewport={"width": width, "height": 800}, device_scale_factor=scale)
        visitor.log_in(KEY)
        visitor.open("/trends?region=021")
        wide = visitor.page.evaluate("document.documentElement.scrollWidth")
        ok(f"the trends fit {width} pixels", wide <= width, wide)
        small = visitor.page.evaluate(
            "() => [...document.querySelectorAll('a, button, select')].map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])"
            ".filter(([html, b]) => !html.includes('skip') && b.height > 0 && b.height < 24).map(([html, _]) => html)"
        )
        ok("every target is at least 24 pixels high", not small, small)
        visitor.shot(f"trends-{width}", full_page=True)
        ok("nothing strange was done", not visitor.strange, visitor.strange)
        visitor.context.close()


def without_script(chromium):
    plain = Browser(chromium, java_script_enabled=False)
    plain.open("/login")
    plain.page.fill("#secret", KEY)
    plain.page.click("main button.main")
    plain.page.click("header nav a[href='/trends']")
    plain.page.click("summary")
    plain.page.select_option("#sex", "male")
    plain.page.select_option("#age_band", "60-69")
    plain.page.click(".filters button")
    ok("without a script one chooses, too", "Men 60-69" in plain.text("#figures"), plain.text("#figures"))
    ok("nothing strange was done", not plain.strange, plain.strange)


with browsers() as chromium:
    visitor = Browser(chromium, viewport={"width": 1280, "height": 900})
    read(visitor)
    open_figures(visitor)
    choose(visitor)
    visitor.enter("header nav a[href='/']")
    ok("and back to the list", visitor.text("h1") == "Work list", visitor.text("h1"))
    ok("nothing strange was done", not visitor.strange, visitor.strange)
    large(chromium)
    without_script(chromium)
