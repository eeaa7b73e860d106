#!/usr/bin/env python3
"""The dashboard in a real browser, over a real worker and the simulator.

    scripts/e2e_dashboard.py --binary target/debug/paceline --browser /usr/bin/chromium

Holds if progress moves without reloading and disturbs nobody who types, dead letters are redriven, edited and dropped
and held jobs resolved as the simulator's books then say, a workbook and a timetable are imported, wrong tokens and
foreign origins get nowhere, the keyboard is enough, and every page fits 360 pixels and has no fault by axe in both themes
and languages. Needs scripts/browser-packages.txt.
"""

import json
import re
import tempfile
import time
import urllib.parse
import urllib.request

from playwright import sync_api as playwright_api

from dashboard_imports import IMPORTED, IMPORTS
from dashboard_world import (CALENDAR, CALENDARS, EXPIRED, HOSTILE, INPUTS, LONG, MEETING, MINUTES, ROOM, ROOMS, TOKEN, Visitor,
                             World, site)
from harness import Failure, check, check_books, main, until

SUCCEEDED = ".tile.succeeded .count"


def progress_moves_and_nobody_is_disturbed(browser, world):
    with Visitor(browser, world) as visitor:
        visitor.open()
        page = visitor.page
        page.evaluate("window.isSamePage = true")
        before = visitor.number(SUCCEEDED)
        page.wait_for_function("(before) => parseInt(document.querySelector('.tile.succeeded .count').textContent.replace(/\\D/g, '')) > before", arg=before)
        check(page.evaluate("window.isSamePage"), "the page was loaded again")
        visitor.open("jobs?state=queued")
        page.locator("#filter-prefix").fill("dept-")
        page.evaluate("window.watched = document.querySelectorAll('tbody tr')[25], window.watched.scrollIntoView()")
        top = page.evaluate("window.watched.getBoundingClientRect().top")
        first = page.locator("tbody th").first.inner_text()
        page.wait_for_function("(first) => ![first, undefined].includes(document.querySelector('tbody th')?.innerText)", arg=first)
        check(page.evaluate("document.activeElement.id") == "filter-prefix", "a refresh took the focus")
        check(page.locator("#filter-prefix").input_value() == "dept-", "a refresh took what was typed")
        moved = page.evaluate("window.watched.getBoundingClientRect().top") - top
        check(abs(moved) < 3, f"a refresh moved the row that was looked at by {moved} pixels")
        page.keyboard.press("Enter")
        page.wait_for_url("**/#/jobs?prefix=dept-&state=queued")


def calls_stand_against_their_quota(browser, world):
    with Visitor(browser, world) as visitor:
        visitor.open()
        visitor.page.wait_for_selector(".chart .calls")
        check(visitor.page.locator(".chart svg[role=img] title").count() > 0, "a chart has no title")
        visitor.page.locator(".chart summary").first.click()
        visitor.page.locator(".chart table").first.wait_for()
        visitor.check_axe("a chart's table")
        visitor.page.get_by_text("Done in").wait_for()


def hidden_tabs_ask_nothing(browser, world):
    with Visitor(browser, world) as visitor:
        page = visitor.page
        page.clock.install()
        visitor.open()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        hide = "(isHidden) => { Object.defineProperty(document, 'hidden', { configurable: true, value: isHidden }); document.dispatchEvent(new Event('visibilitychange')); }"
        page.evaluate(hide, True)
        page.clock.run_for(60_000)
        check(asked == [], f"a hidden tab asked {len(asked)} times in a minute")
        page.evaluate(hide, False)
        until(lambda: page.evaluate("1") and asked, 20, "a tab that is shown again to ask")


def jobs_are_found_and_paged(browser, world):
    with Visitor(browser, world) as visitor:
        page = visitor.page
        visitor.open("jobs?prefix=dept-")
        first = page.locator("tbody th").first.inner_text()
        page.get_by_role("link", name="Next page").click()
        page.wait_for_function("(first) => ![first, undefined].includes(document.querySelector('tbody th')?.innerText)", arg=first)
        page.go_back()
        page.wait_for_function("(first) => document.querySelector('tbody th')?.innerText === first", arg=first)
        page.locator("tbody th a").first.click()
        page.wait_for_selector("#section-fields")
        check(first in visitor.text("h1"), f"the job's page is headed {visitor.text('h1')!r}")
        page.locator(".facts a").first.click()
        page.wait_for_url("**/#/jobs?batch=*")
        check(page.evaluate("window.pwned") is None and page.locator("main img").count() == 0, "a name became markup")
        visitor.open("jobs/no-such-job")
        page.wait_for_selector(".fault")


def meanings_and_cures_are_in_chinese(browser, world):
    with Visitor(browser, world, locale="zh-CN") as visitor:
        page = visitor.page
        visitor.open("dead")
        page.get_by_text("不能在该层级创建或更新会议室").wait_for()
        page.get_by_text("把租户升级到会议室灵活层级").wait_for()
        page.get_by_text("改晚时间").wait_for()
        visitor.open("jobs/minutes-0")
        page.get_by_text("到平台上看是否已经创建").wait_for()
        page.locator("#language").select_option("en")
        page.get_by_text("look in the platform whether it was created").wait_for()


def what_would_stay_dead_is_said_and_not_counted(browser, world):
    with Visitor(browser, world, locale="zh-CN") as visitor:
        visitor.open("dead?reason=invalid")
        visitor.page.locator("main").get_by_role("button", name="重新处理…").first.click()
        visitor.enter_token()
        visitor.dialog().get_by_text(f"{LONG} 个保持原样").wait_for()
        told = visitor.dialog().inner_text()
        check("最多 40 字节或 20 个字符" in told and "expected" not in told, f"the dialog says {told!r}")
        check("将重新开始" not in told, f"the dialog promises what it cannot do: {told!r}")


def strangers_are_refused(_, world):
    def status(path, body=None, **headers):
        return world.ask(path, body, **headers)[0]

    order = {"selection": {"reason": "rejected"}, "dry_run": True}
    bearer = f"Bearer {TOKEN}"
    own = world.url.rstrip("/")
    check(status("dead/redrive", order) == 401, "a change without a token was not refused")
    check(status("dead/redrive", order, Authorization="Bearer wrong") == 401, "a wrong token was not refused")
    check(status("dead/redrive", order, Authorization=bearer, Origin="https://evil.example") == 403, "a foreign origin was not refused")
    check(status("overview", Host="evil.example") == 403, "a foreign host was not refused")
    code, answer = world.ask("dead/redrive", order, Authorization=bearer, Origin=own)
    check((code, answer.get("count")) == (200, ROOMS), f"our own origin with the token got {code}: {answer}")


def the_keyboard_redrives(browser, world):
    with Visitor(browser, world) as visitor:
        page, keyboard = visitor.page, visitor.page.keyboard
        visitor.open("dead")
        visitor.tab_to("Skip to the content")
        keyboard.press("Enter")
        check(page.evaluate("document.activeElement.id") == "main", "the skip link leads elsewhere")
        visitor.tab_to("Redrive …: rejected · 125001")
        keyboard.press("Enter")
        page.wait_for_selector("#token:focus")
        keyboard.type("wrong-token")
        keyboard.press("Enter")
        page.wait_for_selector("#token-wrong")
        check(page.evaluate("sessionStorage.length") == 0, "a wrong token was kept")
        keyboard.press("ControlOrMeta+a")
        keyboard.type(TOKEN)
        visitor.check_axe("the token's dialog")
        keyboard.press("Enter")
        page.get_by_text(f"{ROOMS} dead letters go back to work").wait_for()
        visitor.check_axe("the confirmation")
        keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        label = page.evaluate("document.activeElement.getAttribute('aria-label')") or ""
        check(label.startswith("Redrive …: rejected"), f"after a dialog the focus is at {label!r}")
        keyboard.press("Enter")
        page.get_by_text(f"{ROOMS} dead letters go back to work").wait_for()
        visitor.tab_to(f"Redrive {ROOMS}")
        keyboard.press("Enter")
        page.get_by_text(f"{ROOMS} jobs back at work.").wait_for()
        page.get_by_role("heading", name="rejected 125001").wait_for(state="detached")
        stored = page.evaluate("[localStorage.getItem('paceline.token'), document.cookie, sessionStorage.getItem('paceline.token')]")
        check(stored == [None, "", TOKEN], "the token stands elsewhere than in the tab's own storage")
    for number in range(ROOMS):
        world.ends(f"room-{number}")


def a_changed_count_is_asked_again(browser, world):
    with Visitor(browser, world) as visitor:
        page = visitor.page
        visitor.open("dead?reason=expired")
        page.get_by_role("button", name="Drop …").click()
        visitor.enter_token()
        page.get_by_text(f"{EXPIRED} dead letters are forgotten").wait_for()
        code, _ = world.site.run("dead", "drop", f"第 0 节 {HOSTILE}")
        check(code == 0, "'paceline dead drop' failed; see commands.log")
        page.get_by_role("button", name=f"Drop {EXPIRED}").click()
        page.get_by_text(f"it is {EXPIRED - 1} now").wait_for()
        check(world.totals()["dead"] == EXPIRED - 1 + INPUTS, "something was dropped although the count was another")
        page.get_by_role("button", name="Leave as it is").click()
        visitor.open(f"jobs/{urllib.parse.quote(f'第 1 节 {HOSTILE}')}")
        page.get_by_role("button", name="Drop …").click()
        page.get_by_role("button", name="Drop 1").click()
        page.get_by_text("1 dead letter dropped.").wait_for()
    check(world.totals()["dead"] == EXPIRED - 2 + INPUTS, "not exactly one letter was dropped")


def letters_are_corrected(browser, world):
    with Visitor(browser, world) as visitor:
        page = visitor.page
        visitor.open("dead?reason=expired")
        page.get_by_role("button", name="Edit …").click()
        patch = page.locator("#patch")
        patch.fill("no json")
        page.get_by_role("button", name="Check").click()
        page.get_by_text("This is not valid JSON").wait_for()
        patch.fill('{"body": {"meeting_start": "soon"}}')
        page.get_by_role("button", name="Check").click()
        visitor.enter_token()
        page.locator(".faults li").first.wait_for()
        check("meeting_start" in visitor.text(".faults"), f"the faults do not name the field: {visitor.text('.faults')}")
        visitor.check_axe("the form with faults")
        patch.fill(json.dumps({"not_after": None, "body": {"meeting_start": int(time.time()) + 86400}}))
        page.get_by_role("button", name="Check").click()
        page.get_by_role("button", name=f"Change {EXPIRED - 2}").click()
        page.get_by_text(f"{EXPIRED - 2} jobs back at work.").wait_for()
    for number in (2, 3):
        world.ends(f"第 {number} 节 {HOSTILE}")


def inputs_are_opened_and_corrected(browser, world):
    with Visitor(browser, world) as visitor:
        page = visitor.page
        visitor.open("dead")
        badge = visitor.text("nav a[href='#/dead'] .badge")
        check(badge == str(world.totals()["dead"]), f"the badge says {badge}")
        card = page.locator("li.group", has_text="body.title")
        check(f"{LONG} × body.title: expected at most 40 bytes" in card.inner_text(), f"the card does not name the fault: {card.inner_text()!r}")
        card.get_by_role("link", name="all of them").click()
        page.wait_for_url("**/#/dead/inputs?*")
        page.locator("tbody tr").nth(LONG - 1).wait_for()
        check(page.locator("tbody tr").count() == LONG, f"{page.locator('tbody tr').count()} inputs are listed")
        page.get_by_role("link", name="#1", exact=True).click()
        page.wait_for_url("**/#/dead/1")
        page.locator("#section-content").wait_for()
        shown = visitor.text("#main")
        check("inputs.jsonl:1" in shown and "******" in shown and "8642" not in shown, f"the input's page says {shown!r}")
        visitor.check_axe("an input")
        page.get_by_role("button", name="Edit …").click()
        page.wait_for_function("() => { const at = document.getElementById('patch'); return at.selectionEnd > at.selectionStart }")
        marked = page.evaluate("(() => { const at = document.getElementById('patch'); return at.value.slice(at.selectionStart, at.selectionEnd) })()")
        check(marked.startswith('"高等数学'), f"the wrong field is not marked, but {marked!r}")
        check("******" not in page.locator("#patch").input_value(), "a mask is part of the patch")
        page.keyboard.type('"Algebra"')
        visitor.check_axe("the form of an input")
        page.get_by_role("button", name="Check").click()
        visitor.enter_token()
        page.get_by_role("button", name="Change 1").click()
        page.get_by_text("1 job back at work.").wait_for()
    world.ends("lecture-0")


def is_english(text):
    """Whether our own words were left in English: three small words in a row, but for commands and the network's words."""
    text = re.sub(r"`[^`]*`|connection closed before message completed", "", text)
    return re.search(r"\b[a-z]+ [a-z]+ [a-z]+\b", text)


def nothing_is_left_in_english(browser, world):
    texts = """() => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
        while (walker.nextNode())
            if (!walker.currentNode.parentElement.closest('pre, code, bdi, time, script, [lang=en]')) found.push(walker.currentNode.textContent);
        return found;
    }"""
    hostile = urllib.parse.quote(f"第 2 节 {HOSTILE}")
    with Visitor(browser, world, locale="zh-CN") as visitor:
        for route in ["", "batches", "jobs", "jobs?state=dead", f"jobs/{hostile}", "jobs/minutes-0", "jobs/dept-149", "jobs/room-0",
                      "dead", "dead/inputs", "dead/1", f"dead/{INPUTS}", "held", "import", "timetable", "no-such-page"]:
            visitor.open(route)
            left = [text for text in visitor.page.evaluate(texts) if is_english(text)]
            check(not left, f"/{urllib.parse.unquote(route)} in Chinese: {left}")


def held_jobs_are_resolved(browser, world):
    def settle(visitor, id, way, act):
        page = visitor.page
        page.get_by_role("button", name=f"Resolve …: {id}").click()
        page.get_by_role("radio", name=way).check()
        if way == "It is there":
            page.get_by_label("Key of what was created").fill("minutes-key-1")
        visitor.dialog().get_by_role("button", name=act).click()

    with Visitor(browser, world) as visitor:
        page = visitor.page
        visitor.open("held")
        settle(visitor, "minutes-0", "It is there", "It succeeded")
        visitor.enter_token()
        page.get_by_text("minutes-0 is settled.").wait_for()
        page.get_by_role("heading", name="minutes-0").wait_for(state="detached")
        settle(visitor, "minutes-1", "It is there", "It succeeded")
        page.locator("dialog .fault").wait_for()
        visitor.check_axe("a refused resolution")
        page.get_by_role("radio", name="It is not there").check()
        page.get_by_role("button", name="Send it again").click()
        page.get_by_text("minutes-1 is settled.").wait_for()
        settle(visitor, "minutes-2", "It is no longer wanted", "End it")
        page.get_by_text("Nothing waits for a person.").wait_for()
    world.ends("minutes-0")
    world.ends("minutes-1")
    world.ends("minutes-2", "dead")
    check(world.ask("jobs/minutes-0")[1]["key"] == "minutes-key-1", "the key that was given is not the job's")


def lanes_are_suspended_and_resumed(browser, world):
    with Visitor(browser, world) as visitor:
        page = visitor.page
        visitor.open()
        page.get_by_role("button", name=f"Suspend …: acme / {CALENDAR}").click()
        page.get_by_label("Why (for your colleagues)").fill("rooms first")
        visitor.dialog().get_by_role("button", name="Suspend").click()
        visitor.enter_token()
        page.locator(".trouble", has_text="rooms first").wait_for()
        visitor.check_axe("a suspended lane")
        page.get_by_role("button", name=f"Resume …: acme / {CALENDAR}").click()
        page.get_by_role("button", name="Resume", exact=True).click()
        page.locator(".trouble.suspended").wait_for(state="detached")


def every_page_is_readable(browser, world):
    hostile = urllib.parse.quote(f"第 2 节 {HOSTILE}")
    routes = ["", "batches", "jobs?prefix=dept-00", f"jobs/{hostile}", "jobs/minutes-0", "dead", "dead/inputs", "dead/1", "held", "import", "timetable",
              "no-such-page"]
    for theme, locale in [("light", "en-GB"), ("dark", "en-GB"), ("light", "zh-CN"), ("dark", "zh-CN")]:
        with Visitor(browser, world, theme=theme, locale=locale) as visitor:
            for route in routes:
                where = f"/{urllib.parse.unquote(route)}, {theme}, {locale}"
                visitor.page.set_viewport_size({"width": 1280, "height": 900})
                visitor.open(route)
                language = visitor.page.evaluate("document.documentElement.lang")
                check(language == locale, f"{where}: the page is in {language}")
                visitor.check_axe(where)
                visitor.check_width(f"{where}, 1280 pixels")
                visitor.page.set_viewport_size({"width": 360, "height": 740})
                visitor.check_width(f"{where}, 360 pixels")
                if route in ("", "dead"):
                    visitor.check_axe(f"{where}, 360 pixels")


def switches_are_remembered(browser, world):
    with Visitor(browser, world) as visitor:
        page = visitor.page
        visitor.open()
        page.locator("#language").select_option("zh")
        page.locator("#theme").select_option("dark")
        page.get_by_role("heading", name="概览").wait_for()
        page.reload()
        page.get_by_role("heading", name="概览").wait_for()
        check(page.evaluate("document.documentElement.dataset.theme") == "dark", "the theme is forgotten")
        check(page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark", "the dark theme is not dark")


def a_lost_worker_is_said(browser, world):
    with Visitor(browser, world) as visitor:
        page = visitor.page
        visitor.open("batches")
        page.evaluate("window.isSamePage = true")
        world.site.stop_worker()
        page.get_by_text("The worker cannot be reached.").wait_for()
        page.wait_for_function("() => /For [2-9]/.test(document.querySelector('#banner').textContent)")
        check(page.locator("tbody tr").count() > 0, "what was known is gone")
        visitor.check_axe("the banner")
        world.start()
        page.get_by_text("The worker cannot be reached.").wait_for(state="detached")
        check(page.evaluate("window.isSamePage"), "the page was loaded again")


def a_locked_worker_asks_for_the_token(browser, world):
    world.site.stop_worker()
    # Behind a proxy even reading needs the token, whoever asks.
    world.start(PACELINE_ADMIN__PUBLIC_URL="https://paceline.example.com", PACELINE_ADMIN__READ="token")
    check(world.ask("overview")[0] == 401, "a locked worker could be read without a token")
    with Visitor(browser, world) as visitor:
        page = visitor.page
        page.goto(f"{world.url}#/batches")
        page.locator("#token").wait_for()
        page.keyboard.press("Escape")
        page.get_by_text("This worker shows nothing without a token.").wait_for()
        visitor.check_axe("a locked worker")
        page.locator("#banner button").click()
        visitor.enter_token("wrong")
        page.locator("#token-wrong").wait_for()
        visitor.enter_token()
        page.locator("tbody tr").first.wait_for()
        check(page.locator("#banner").inner_text() == "", "with the token it still says that one is missing")
    world.site.stop_worker()
    world.start()


def a_token_that_readers_need_is_asked_for_once(browser, world):
    world.site.stop_worker()
    world.start(PACELINE_ADMIN__READ="token")
    check(world.ask("overview")[0] == 401, "what needs the token could be read without one")
    with Visitor(browser, world) as visitor:
        page = visitor.page
        page.goto(f"{world.url}#/batches")
        page.locator("#token").wait_for()
        check(page.locator("tbody tr").count() == 0, "something is shown before the token")
        visitor.check_axe("the token's dialog before anything else")
        visitor.enter_token()
        page.locator("tbody tr").first.wait_for()
        for route in ["jobs", "dead", ""]:
            visitor.open(route)
        page.reload()
        visitor.settled()
        check(page.locator("#token").count() == 0, "the token is asked for a second time")
        page.get_by_role("button", name=f"Suspend …: acme / {CALENDAR}").click()
        page.get_by_label("Why (for your colleagues)").wait_for()
        other = visitor.context.new_page()
        other.goto(world.url)
        other.locator("#token").wait_for()
        other.close()
    world.site.stop_worker()
    world.start()


def the_page_is_guarded(_, world):
    with urllib.request.urlopen(world.url, timeout=30) as reply:
        policy = reply.headers.get("Content-Security-Policy", "")
        check("default-src 'self'" in policy and "unsafe" not in policy, f"the page's policy is {policy!r}")
        check(reply.headers.get("X-Content-Type-Options") == "nosniff", "types may be guessed")


# First those that look at progress, then those that look at all pages while there are dead and held jobs.
ALL = [the_page_is_guarded, strangers_are_refused, progress_moves_and_nobody_is_disturbed, calls_stand_against_their_quota,
       lanes_are_suspended_and_resumed, hidden_tabs_ask_nothing, jobs_are_found_and_paged, every_page_is_readable,
       nothing_is_left_in_english, meanings_and_cures_are_in_chinese, what_would_stay_dead_is_said_and_not_counted,
       the_keyboard_redrives, a_changed_count_is_asked_again, letters_are_corrected, inputs_are_opened_and_corrected,
       held_jobs_are_resolved, *IMPORTS, switches_are_remembered, a_lost_worker_is_said, a_locked_worker_asks_for_the_token,
       a_token_that_readers_need_is_asked_for_once]


def trial(arguments):
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, site(arguments.binary, folder) as place, playwright_api.sync_playwright() as playwright:
        world = World(place)
        # A browser that runs as root, as in containers, has no sandbox of its own; it visits nothing but this worker.
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=["--no-sandbox"])
        for part in ALL:
            name = part.__name__.replace("_", " ")
            try:
                part(browser, world)
            except playwright_api.Error as error:
                raise Failure(f"{name}: {error}") from error
            print(f"{time.monotonic() - start:5.1f} s  {name}", flush=True)
        browser.close()
        until(lambda: world.totals()["queued"] + world.totals()["running"] == 0, 120, "the last calendars")
        # One call for minutes was sent again; the others were settled by hand.
        check_books(place.books(), {CALENDAR: CALENDARS, ROOM: ROOMS + IMPORTED, MEETING: 3, MINUTES: 1})
        print(f"{time.monotonic() - start:5.1f} s  the simulator's books agree")


if __name__ == "__main__":
    main(trial, __doc__, ("--browser", {"required": True, "help": "a Chromium or Chrome"}))
