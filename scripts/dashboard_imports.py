"""The dashboard's import page, in Chinese, with a workbook as WPS writes them; and its page for timetables."""

import pathlib

from dashboard_world import HOSTILE, Visitor
from harness import check
from wps_workbook import wps_workbook

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
ROOM = "feishu.vc.room.create"
HEADER = ["名称", "容量", "层级ID", "状态", f"备注 {HOSTILE}"]
GOOD = [["A101", 10, "omb_1", "启用", HOSTILE], ["A102", "１２人", "omb_1", "启用", ""], ["A103", "1,000", "omb_1", "禁用", ""]]
# Rooms that are created by these trials.
IMPORTED = len(GOOD) + 1
BAD = [["A104", "很多", "omb_1", "启用", ""], ["=cmd|' /C calc'!A0", 4, "omb_1", "也许", ""], ["A106", "很多", "omb_1", "启用", ""]]


def choose(visitor, name, content):
    visitor.page.locator("#file").set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})


def a_workbook_of_wps_is_imported(browser, world):
    with Visitor(browser, world, width=1440, locale="zh-CN") as visitor:
        page = visitor.page
        visitor.open("import")
        visitor.check_axe("the choice of a file")
        choose(visitor, "会议室.xlsx", wps_workbook([HEADER, *GOOD, *BAD]))
        visitor.enter_token()
        page.wait_for_selector("#section-columns")
        check(page.locator("#import-method").input_value() == ROOM, "the method was not guessed")
        check(page.locator("#import-app").input_value() == "acme", "the app was not guessed")
        check(page.locator("#target-1").input_value() == "name", "the column of the name was not guessed")
        check(page.evaluate("window.pwned") is None and page.locator("main img").count() == 0, "a cell became markup")
        both_widths(visitor, "the columns")
        page.get_by_role("button", name="校验").click()
        page.wait_for_selector("#section-result:focus")
        check("6 行" in visitor.text("#main .finish >> nth=0"), f"the result says {visitor.text('#main')!r}")
        both_widths(visitor, "what was found")
        button = page.locator("#main button.primary", has_text="开始")
        check(button.is_disabled(), "a file with faults could be started")
        page.locator(".jumps button").first.click()
        check(page.evaluate("document.activeElement.id") == "cell-5-2", "the line leads elsewhere")
        shown = visitor.text("#cell-5-2")
        check("很多" in shown and "expected" not in shown, f"the cell says {shown!r}")
        page.get_by_label("排除 3 行").check()
        button.click()
        page.wait_for_selector("#section-started:focus")
        check("已开始 3 个任务" in visitor.text("#section-started"), f"the end says {visitor.text('#section-started')!r}")
        both_widths(visitor, "the end")
        page.get_by_role("link", name="查看任务").click()
        page.wait_for_url("**/#/jobs?batch=*")


def both_widths(visitor, where):
    for width, height in [(390, 844), (1440, 900)]:
        visitor.page.set_viewport_size({"width": width, "height": height})
        visitor.check_width(f"{where}, {width} pixels")
        visitor.check_axe(f"{where}, {width} pixels")


def the_keyboard_imports(browser, world):
    with Visitor(browser, world) as visitor:
        page, keyboard = visitor.page, visitor.page.keyboard
        visitor.open("import")
        page.locator("#file").focus()
        choose(visitor, "keys.csv", "name,capacity,floor level\nK1,4,omb_1\n".encode())
        visitor.enter_token()
        page.wait_for_selector("#section-columns")
        page.locator("#import-method").select_option(ROOM)
        page.locator("#target-3 option[value=room_level_id]").wait_for(state="attached")
        page.locator("#target-3").focus()
        page.locator("#target-3").select_option("room_level_id")
        check(page.evaluate("document.activeElement.id") == "target-3", "a choice took the focus")
        visitor.tab_to("Check")
        keyboard.press("Enter")
        page.wait_for_selector("#section-result:focus")
        visitor.tab_to("Start 1 job")
        keyboard.press("Enter")
        page.wait_for_selector("#section-started:focus")
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the map").click()
        text = pathlib.Path(download.value.path()).read_text(encoding="utf-8")
        check('"floor level" = "room_level_id"' in text, f"the map says {text!r}")
        # What was saved is what `--map` takes.
        (world.site.folder / "keys.csv").write_text("name,capacity,floor level\nK2,4,omb_1\n", encoding="utf-8")
        (world.site.folder / "keys.map.toml").write_text(text, encoding="utf-8")
        code, _ = world.site.run("validate", "keys.csv", "--map", "keys.map.toml", "--method", ROOM, "--app", "acme")
        check(code == 0, "'paceline validate' does not take the map; see commands.log")


def a_timetable_goes_on_to_the_import(browser, world):
    with Visitor(browser, world, width=1440, locale="zh-CN") as visitor:
        page = visitor.page
        visitor.open("timetable")
        choose(visitor, "课表.csv", (EXAMPLES / "timetable.csv").read_bytes())
        visitor.enter_token()
        page.wait_for_selector("#rule")
        page.locator("#rule-app").fill("acme")
        page.keyboard.press("Tab")
        check('app = "acme"' in page.locator("#rule").input_value(), "the form does not write the rule")
        page.get_by_role("button", name="展开", exact=True).click()
        page.wait_for_selector("#section-expanded:focus")
        check("5 门课" in visitor.text("#main .finish >> nth=0"), f"the page says {visitor.text('#main')!r}")
        both_widths(visitor, "a timetable")
        page.get_by_role("link", name="继续导入").click()
        page.wait_for_selector("#section-columns")
        page.get_by_role("button", name="校验").click()
        page.wait_for_selector("#section-plan")
        check("无错误" in visitor.text("#main .finish >> nth=0"), f"the result says {visitor.text('#main')!r}")


IMPORTS = [a_workbook_of_wps_is_imported, the_keyboard_imports, a_timetable_goes_on_to_the_import]
