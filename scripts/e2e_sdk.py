"""The simulator as a stand-in: official and foreign SDKs, unchanged, call it over loopback HTTP.

Feishu's SDKs for Python and Node create, list, read and delete rooms and calendars, make minutes, meet refusals with their
code and log id, renew access tokens and are rate-limited; they build levels with rules for booking, give access to calendars,
schedule events with people and rooms, and reserve meetings. WeCom has no official SDK for servers: a foreign one schedules
a meeting, and sends plain calls for schedules and rooms. Run it with the Python that `scripts/sdk python DIR` prints, and name
the folder that `scripts/sdk node DIR` prints.
"""

import pathlib
import subprocess
import tempfile

import lark_oapi as lark
from lark_oapi.api.calendar.v4 import (Calendar, CreateCalendarEventMeetingMinuteRequest, CreateCalendarRequest,
                                       DeleteCalendarRequest, GetCalendarRequest, ListCalendarRequest)
from lark_oapi.api.vc.v1 import (CreateRoomRequest, DeleteRoomRequest, GetRoomRequest, ListRoomRequest, Room, RoomStatus)
from lark_oapi.core.exception import ObtainAccessTokenException
from wechatpy.enterprise import WeChatClient
from wechatpy.exceptions import WeChatClientException

import e2e_sdk_campus as campus
from harness import Failure, Site, check, main

# Tokens live so short that both SDKs renew theirs before each call.
SCENARIO = """
title = "Foreign SDKs"

[tokens]
life_s = 100
same_above_s = 100

[quotas]
"feishu.vc.room.create" = "4/min"

[users]
u-ann = "cli_python"
u-ann-node = "cli_node"

[apps.cli_wrong]
secret = "another"

[decisions]
after_s = 0.5

[known]
events = ["e-1_0"]
"""
NODE_SCRIPT = pathlib.Path(__file__).with_name("e2e_sdk_node.mjs")
START = 1_930_000_000


def client(site, app_id="cli_python", own_tokens=False):
    """With `own_tokens` the SDK sends the access token that a call is given."""
    return (lark.Client.builder().app_id(app_id).app_secret("any").domain(f"http://127.0.0.1:{site.port}")
            .enable_set_token(own_tokens).log_level(lark.LogLevel.CRITICAL).build())


def done(response, what):
    """The response's data; a refusal is a failure."""
    check(response.success(), f"{what}: {response.code} {response.msg}")
    check(response.get_log_id(), f"{what}: no log id in {sorted(response.raw.headers)}")
    return getattr(response, "data", None)


def refused(response, status, code, what):
    """A refusal is what the documents say, with a log id where the SDK looks for it."""
    given = (response.raw.status_code, response.code)
    check(given == (status, code), f"{what}: wanted {status} and {code}, got {given}: {response.msg}")
    check(response.get_log_id(), f"{what}: no log id in {sorted(response.raw.headers)}")


def all_pages(call, request, items):
    """Every item of a listing, page by page as its documents say; with the last page."""
    found, token = [], None
    while True:
        data = done(call(request(token)), "a page")
        found += getattr(data, items) or []
        if not data.has_more:
            check(data.page_token is None, f"the last page names a next one: {data.page_token!r}")
            return found, data
        token = data.page_token


def rooms(api):
    made = []
    for number in range(3):
        room = Room.builder().name(f"7F-70{number}").capacity(8).room_level_id("omb_1")
        if number == 0:
            # The SDK's model declares an integer where the documents have a string of digits.
            room = room.room_status(RoomStatus.builder().status(False).disable_start_time(START).build())
        response = api.vc.v1.room.create(CreateRoomRequest.builder().request_body(room.build()).build())
        made.append(done(response, "a room").room)
    check(len({room.display_id for room in made}) == 3, "rooms share a display_id")

    def page(token):
        request = ListRoomRequest.builder().page_size(2).room_level_id("omb_1")
        return (request.page_token(token) if token else request).build()

    listed, _ = all_pages(api.vc.v1.room.list, page, "rooms")
    check([room.room_id for room in listed] == [room.room_id for room in made], "the listing has other rooms than were made")
    first = made[0].room_id
    read = done(api.vc.v1.room.get(GetRoomRequest.builder().room_id(first).build()), "reading a room").room
    check((read.name, read.room_level_id) == ("7F-700", "omb_1"), f"another room was read: {read.name}")
    done(api.vc.v1.room.delete(DeleteRoomRequest.builder().room_id(first).build()), "deleting a room")
    refused(api.vc.v1.room.get(GetRoomRequest.builder().room_id(first).build()), 404, 121004, "a deleted room")
    bad = CreateRoomRequest.builder().request_body(Room.builder().name("nameless level").capacity(8).build()).build()
    refused(api.vc.v1.room.create(bad), 400, 121003, "a room without a level")


def rate_limited(api):
    room = Room.builder().name("one too many").capacity(8).room_level_id("omb_1").build()
    response = api.vc.v1.room.create(CreateRoomRequest.builder().request_body(room).build())
    refused(response, 429, 99991400, "a fifth room within a minute")
    reset = {name.lower(): value for name, value in response.raw.headers.items()}.get("x-ogw-ratelimit-reset", "")
    check(reset.isdigit() and 0 < int(reset) <= 60, f"no seconds until the limit ends: {reset!r}")


def calendars(api, user_api):
    ann = lark.RequestOption.builder().user_access_token("u-ann").build()
    nobody = lark.RequestOption.builder().user_access_token("u-nobody").build()
    plain = CreateCalendarRequest.builder().request_body(Calendar.builder().build()).build()
    own = done(api.calendar.v4.calendar.create(plain), "a calendar").calendar
    given = (own.summary, own.permissions, own.color, own.role)
    check(given == ("", "show_only_free_busy", -14513409, "owner"), f"not the documented defaults: {given}")
    of_ann = CreateCalendarRequest.builder().request_body(Calendar.builder().summary("Ann").build()).build()
    hers = done(user_api.calendar.v4.calendar.create(of_ann, ann), "a user's calendar").calendar
    refused(user_api.calendar.v4.calendar.create(of_ann, nobody), 400, 99991668, "a user's token that nobody issued")

    def page(token):
        request = ListCalendarRequest.builder().page_size(50)
        return (request.page_token(token) if token else request).build()

    for option, calendar in [(None, own), (ann, hers)]:
        call = (user_api if option else api).calendar.v4.calendar.list
        listed, last = all_pages(lambda request: call(request, option), page, "calendar_list")
        ids = [listed.calendar_id for listed in listed]
        check(ids == [calendar.calendar_id], f"expected one identity's calendar, got {ids}")
        check(last.sync_token, "no sync_token on the last page")
    stale = ListCalendarRequest.builder().sync_token("made-up").build()
    refused(api.calendar.v4.calendar.list(stale), 400, 190008, "a sync_token that nobody gave")

    def minutes(event):
        return (CreateCalendarEventMeetingMinuteRequest.builder().calendar_id(own.calendar_id).event_id(event).build())

    made = done(api.calendar.v4.calendar_event_meeting_minute.create(minutes("e-1_0")), "minutes")
    check(made.doc_url.startswith("https://"), f"no document: {made.doc_url}")
    refused(api.calendar.v4.calendar_event_meeting_minute.create(minutes("e-2_0")), 404, 193001, "an unknown event")
    delete = DeleteCalendarRequest.builder().calendar_id(own.calendar_id).build()
    done(api.calendar.v4.calendar.delete(delete), "deleting a calendar")
    get = GetCalendarRequest.builder().calendar_id(own.calendar_id).build()
    refused(api.calendar.v4.calendar.get(get), 403, 191003, "a deleted calendar")


def a_campus(api):
    """Everything beyond rooms and calendars, on a level, a calendar and a room of its own."""
    made = campus.levels(api, done, refused)
    room = Room.builder().name("Hall").capacity(8).room_level_id(made[1]).build()
    room = done(api.vc.v1.room.create(CreateRoomRequest.builder().request_body(room).build()), "a room").room.room_id
    campus.booking_rules(api, done, made[0], room)
    plain = CreateCalendarRequest.builder().request_body(Calendar.builder().summary("Lectures").build()).build()
    calendar = done(api.calendar.v4.calendar.create(plain), "a calendar").calendar.calendar_id
    campus.access(api, done, calendar)
    campus.events(api, done, refused, calendar, room)
    campus.reserves(api, done)
    done(api.vc.v1.room.delete(DeleteRoomRequest.builder().room_id(room).build()), "deleting a room")
    campus.take_down(api, done, refused, made)


def access_tokens(site, api):
    site.simulator_says("revoke-tokens", "")
    done(api.vc.v1.room.list(ListRoomRequest.builder().build()), "a call after every token was revoked")
    try:
        client(site, "cli_wrong").vc.v1.room.list(ListRoomRequest.builder().build())
    except ObtainAccessTokenException as error:
        check(error.code == 10014, f"a wrong secret: wanted 10014, got {error.code}")
    else:
        raise Failure("a wrong secret was taken")


class WeCom(WeChatClient):
    """The SDK's client, whose addresses are its own."""

    def __init__(self, site):
        self.API_BASE_URL = f"http://127.0.0.1:{site.port}/cgi-bin/"
        super().__init__("ww_sdk", "any")

    def fetch_access_token(self):
        return self._fetch_access_token(f"{self.API_BASE_URL}gettoken", {"corpid": self.corp_id, "corpsecret": self.secret})


def wecom(site):
    api = WeCom(site)
    meeting = {"admin_userid": "zhang", "title": "Lecture", "meeting_start": START, "meeting_duration": 5400,
               "invitees": {"userid": ["li"]}}
    made = api.post("meeting/create", data=meeting)["meetingid"]
    site.simulator_says("revoke-tokens", "")
    # The SDK fetches a new token when its own is refused.
    read = api.post("meeting/get_info", data={"meetingid": made})
    members = [member["userid"] for member in read["attendees"]["member"]]
    check((read["title"], read["status"], members) == ("Lecture", 1, ["zhang", "li"]), f"another meeting was read: {read}")
    listed = api.post("meeting/get_user_meetingid", data={"userid": "zhang", "begin_time": START})
    check(listed["meetingid_list"] == [made], f"the listing has {listed['meetingid_list']}")
    api.post("meeting/cancel", data={"meetingid": made})
    check(api.post("meeting/get_info", data={"meetingid": made})["status"] == 4, "a cancelled meeting is not shown as such")
    try:
        api.post("meeting/get_info", data={"meetingid": "made-up"})
    except WeChatClientException as error:
        check(error.errcode == 90602, f"an unknown meeting: wanted 90602, got {error.errcode}")
    else:
        raise Failure("an unknown meeting was found")
    wecom_campus(api)


def wecom_campus(api):
    """A calendar with a schedule, a meeting room and a booking; each is listed as it was made, and taken away."""
    calendar = api.post("oa/calendar/add", data={"calendar": {"summary": "Term", "color": "#FF3030", "admins": ["zhang"]}})["cal_id"]
    schedule = {"summary": "Exam", "start_time": START, "end_time": START + 5400, "cal_id": calendar, "admins": ["zhang"]}
    made = api.post("oa/schedule/add", data={"schedule": schedule})["schedule_id"]
    listed = api.post("oa/schedule/get_by_calendar", data={"cal_id": calendar, "limit": 1000})["schedule_list"]
    found = [(each["schedule_id"], each["summary"], each["start_time"]) for each in listed]
    check(found == [(made, "Exam", START)], f"the calendar has {found}")
    api.post("oa/schedule/del", data={"schedule_id": made})
    api.post("oa/calendar/del", data={"cal_id": calendar})
    place = {"city": "Hangzhou", "building": "Library", "floor": "1F"}
    room = api.post("oa/meetingroom/add", data={"name": "Seminar room", "capacity": 12, **place})["meetingroom_id"]
    rooms = api.post("oa/meetingroom/list", data=place)["meetingroom_list"]
    check([(each["meetingroom_id"], each["name"]) for each in rooms] == [(room, "Seminar room")], f"the floor has {rooms}")
    span = {"meetingroom_id": room, "start_time": START, "end_time": START + 3600}
    booked = api.post("oa/meetingroom/book", data={**span, "booker": "zhang", "subject": "Exam"})["booking_id"]
    day = {"meetingroom_id": room, "start_time": START - 3600, "end_time": START + 86_400}
    bookings = api.post("oa/meetingroom/get_booking_info", data=day)["booking_list"]
    found = [(each["booking_id"], each["booker"]) for place in bookings for each in place["schedule"]]
    check(found == [(booked, "zhang")], f"the room is booked by {found}")
    api.post("oa/meetingroom/cancel_book", data={"booking_id": booked})
    api.post("oa/meetingroom/del", data={"meetingroom_id": room})


def trial(arguments):
    with tempfile.TemporaryDirectory(prefix="paceline-sdk-") as folder, Site(arguments.binary, folder, scenario=SCENARIO) as site:
        api = client(site)
        rooms(api)
        rate_limited(api)
        calendars(api, client(site, own_tokens=True))
        access_tokens(site, api)
        print("lark-oapi for Python: rooms, calendars, minutes, refusals with log ids, tokens, a rate limit")
        a_campus(client(site, "cli_python_campus"))
        print("lark-oapi for Python: levels, rules for booking, access, events with people and rooms, reserved meetings")
        wecom(site)
        print("wechatpy for WeCom, which has no official SDK for servers: a meeting, a schedule in a calendar, a room and its booking")
        node = subprocess.run(["node", str(NODE_SCRIPT), f"http://127.0.0.1:{site.port}", arguments.node], timeout=60)
        check(node.returncode == 0, f"the trial in Node ended with {node.returncode}")
        books = site.books()
        check(books["duplicates"] == 0, f"the simulator counted {books['duplicates']} duplicates")
        made = {method: book["created"] for method, book in books["methods"].items() if book["created"]}
        expected = {"feishu.vc.room.create": 8, "feishu.calendar.create": 6, "feishu.calendar.event.create": 2,
                    "feishu.calendar.event.attendee.create": 4, "feishu.calendar.event.meeting_minute.create": 2,
                    "feishu.calendar.acl.create": 2, "feishu.vc.reserve.apply": 2, "feishu.vc.room_level.create": 4,
                    "wecom.meeting.create": 1, "wecom.oa.calendar.add": 1, "wecom.oa.schedule.add": 1,
                    "wecom.oa.meetingroom.add": 1, "wecom.oa.meetingroom.book": 1}
        check(made == expected, f"the simulator created {made}, expected {expected}")
        print(f"books: {books['created']} created, {books['duplicates']} twice, {books['refused']} rate-limited")


if __name__ == "__main__":
    main(trial, __doc__, ("--node", {"required": True, "help": "the folder with Feishu's SDK for Node"}))
