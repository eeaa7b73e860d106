"""What scripts/e2e_dashboard.py works in: a worker with dead, held and waiting jobs, and a browser that notes everything."""

import json
import urllib.error
import urllib.parse
import urllib.request

from axe_playwright_python.sync_playwright import Axe

from harness import Failure, Site, check, until

ROOM = "feishu.vc.room.create"
CALENDAR = "feishu.calendar.create"
MINUTES = "feishu.calendar.event.meeting_minute.create"
MEETING = "wecom.meeting.create"
TOKEN = "rehearsal-token-4711"
ROOMS, CALENDARS, HELD, EXPIRED = 3, 150, 3, 4
# Inputs that never become jobs: with a title too long, and of an app that nobody knows.
LONG, STRANGE = 12, 2
INPUTS = LONG + STRANGE
# The platform refuses the first call for each room, and cuts the first calls for minutes before any reply.
SCENARIO = f"""
title = "Rooms are refused at first, calls for minutes are cut"
seed = 1

[latency]
before = {{ kind = "uniform", from_ms = 5, to_ms = 40 }}
after = {{ kind = "uniform", from_ms = 5, to_ms = 40 }}

[[faults]]
method = "{ROOM}"
kind = "code"
code = 125001
first = {ROOMS}

[[faults]]
method = "{MINUTES}"
kind = "cut-before"
first = {HELD}
"""
# So slow that there is progress to be seen while the rest of the trial goes on.
SETTINGS = f'[apps.acme.quotas]\n"{CALENDAR}" = "2/s"\n'
# Free to read, so that the token is asked for by changes alone, as each part wants it.
ADMIN = 'token = { env = "DASHBOARD_TOKEN" }\nread = "open"\n'
HOSTILE = '<img src=x onerror="window.pwned=1">'
BATCHES = ["hq-move", f"迁移 {HOSTILE}", "نقل المباني", "a-batch-with-a-name-that-does-not-end-" + "x" * 120]


def jobs():
    """All jobs, in the contract's format."""
    for number in range(ROOMS):
        yield {"id": f"room-{number}", "method": ROOM, "app": "acme", "batch": "hq-move",
               "body": {"name": f"7F-70{number}", "capacity": 8, "room_level_id": "omb_1"}}
    for number in range(CALENDARS):
        yield {"id": f"dept-{number:03}", "method": CALENDAR, "app": "acme", "batch": BATCHES[number % 4],
               "body": {"summary": f"系 {number} {HOSTILE}"}}
    for number in range(HELD):
        path = {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": f"75d28f9b-{number}_0"}
        yield {"id": f"minutes-{number}", "method": MINUTES, "app": "acme", "batch": BATCHES[1], "path": path}
    for number in range(EXPIRED):
        body = {"admin_userid": "u", "title": f"Lesson {number}", "meeting_start": 1900000000 + 3600 * number, "meeting_duration": 1800,
                "settings": {"password": "8642"}}
        yield {"id": f"第 {number} 节 {HOSTILE}", "method": MEETING, "app": "campus", "batch": "timetable",
               "not_after": "2020-09-13T12:26:40Z", "body": body}


def inputs():
    """What never becomes a job."""
    for number in range(LONG):
        yield {"id": f"lecture-{number}", "method": MEETING, "app": "campus", "batch": "timetable",
               "body": {"admin_userid": "u", "title": f"高等数学（上）第 {number} 次课：极限与连续，教学楼三层阶梯教室" * 5, "meeting_start": 1900000000,
                        "meeting_duration": 1800, "settings": {"password": "8642"}}}
    for number in range(STRANGE):
        yield {"id": f"stray-{number}", "method": CALENDAR, "app": "acne", "batch": "hq-move", "body": {"summary": "x"}}


class World:
    """A site whose worker is at work, and what it says over HTTP."""

    def __init__(self, site):
        self.site = site
        self.url = f"http://127.0.0.1:{site.admin_port}/"
        self.submit("jobs.jsonl", jobs(), 0)
        self.submit("inputs.jsonl", inputs(), 1)
        self.start()
        dead = ROOMS + EXPIRED + INPUTS
        until(lambda: self.totals()["dead"] == dead and self.totals()["held"] == HELD, 60, f"{dead} dead letters and {HELD} held jobs")

    def submit(self, name, jobs, wanted):
        lines = "".join(json.dumps(job, ensure_ascii=False) + "\n" for job in jobs)
        (self.site.folder / name).write_text(lines, encoding="utf-8")
        code, _ = self.site.run("submit", name, "--skip-invalid")
        check(code == wanted, f"'paceline submit {name}' ended with {code}; see commands.log")

    def start(self, **environment):
        self.site.start_worker("work", DASHBOARD_TOKEN=TOKEN, **environment)
        until(self.answers, 30, "the admin server to answer")

    def answers(self):
        if self.site.worker.poll() is not None:
            raise Failure(f"the worker ended with {self.site.worker.returncode}")
        try:
            return self.ask("session")[0] == 200
        except urllib.error.URLError:
            return False

    def ask(self, path, body=None, **headers):
        """Asks the API; status and document."""
        data = None if body is None else json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}api/v1/{path}", data=data, headers={"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def totals(self):
        status, overview = self.ask("overview")
        check(status == 200, f"the overview answered {status}: {overview}")
        return overview["totals"]

    def state(self, id):
        status, job = self.ask(f"jobs/{urllib.parse.quote(id, safe='')}")
        return job["status"] if status == 200 else None

    def ends(self, id, state="succeeded"):
        until(lambda: self.state(id) == state, 60, f"{id} to be {state}")


class Visitor:
    """A browser tab that notes what must not happen: errors in the console, requests to other places."""

    def __init__(self, browser, world, width=1280, height=900, theme="light", locale="en-GB"):
        self.world = world
        self.faults = []
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, locale=locale)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"an exception: {error}"))
        self.page.on("request", self._request)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        self.context.close()
        if not failed:
            check(not self.faults, f"in the browser: {'; '.join(self.faults)}")

    def open(self, route=""):
        """Opens a page and waits until it shows what it asked for."""
        self.page.goto(f"{self.world.url}#/{route}")
        self.settled()

    def settled(self):
        self.page.wait_for_function("() => document.querySelector('#main h1') && !document.querySelector('#main').textContent.match(/Asking the worker|正在询问/)")

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def number(self, selector):
        return int("".join(filter(str.isdigit, self.text(selector))))

    def dialog(self):
        return self.page.locator("dialog[open]").last

    def enter_token(self, token=TOKEN):
        self.page.locator("#token").fill(token)
        self.page.keyboard.press("Enter")

    def tab_to(self, name):
        """Presses Tab until what has the focus is called `name`."""
        seen = []
        for _ in range(80):
            self.page.keyboard.press("Tab")
            label = self.page.evaluate("(() => { const at = document.activeElement; return at.getAttribute('aria-label') ?? at.textContent })()")
            if label.startswith(name):
                outline = self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                check(outline != "none", f"{label} has the focus, and nobody can see it")
                return
            seen.append(label[:30])
        raise Failure(f"80 times Tab did not lead to {name!r}, but to {seen[:30]}")

    def check_width(self, where):
        """Nothing reaches beyond the right edge; what scrolls inside of its own box may."""
        beyond = self.page.evaluate("""() => {
            const width = document.documentElement.clientWidth;
            const isClipped = (node) => node.closest('pre, .numbers, .grid, thead, .skip') !== null;
            const nodes = [...document.querySelectorAll('body *')].filter((node) => node.getBoundingClientRect().right > width + 0.5 && !isClipped(node));
            if (document.documentElement.scrollWidth > width) nodes.push(document.documentElement);
            return nodes.slice(0, 3).map((node) => `${node.tagName}.${node.className}`);
        }""")
        check(not beyond, f"{where}: wider than the screen: {beyond}")

    def check_axe(self, where, axe=Axe()):
        found = axe.run(self.page, options={"resultTypes": ["violations"]}).response["violations"]
        told = [f"{fault['id']} ({fault['help']}) at {fault['nodes'][0]['target']}" for fault in found]
        check(not told, f"{where}: {'; '.join(told)}")

    def _console(self, message):
        # The browser itself notes every answer that is not 2xx, and every lost connection; those are wanted here.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"the console says {message.text!r}")

    def _request(self, request):
        if not request.url.startswith(self.world.url):
            self.faults.append(f"a request to {request.url}")


def site(binary, folder):
    return Site(binary, folder, more=SETTINGS, scenario=SCENARIO, admin=ADMIN)
