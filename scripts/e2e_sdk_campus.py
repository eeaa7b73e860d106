"""What scripts/e2e_sdk.py does with Feishu's SDK for Python beyond rooms and calendars: levels and who may book what is on
them, access to calendars, events with their attendees, and reserved meetings."""

from lark_oapi.api.calendar.v4 import (
    AclScope, BatchDeleteCalendarEventAttendeeRequest, BatchDeleteCalendarEventAttendeeRequestBody, Calendar, CalendarAcl,
    CalendarEvent, CalendarEventAttendee, CreateCalendarAclRequest, CreateCalendarEventAttendeeRequest,
    CreateCalendarEventAttendeeRequestBody, CreateCalendarEventRequest, CreateCalendarRequest, DeleteCalendarAclRequest,
    DeleteCalendarEventRequest, ListCalendarAclRequest, ListCalendarEventAttendeeRequest, ListCalendarEventRequest,
    PatchCalendarEventRequest, PatchCalendarRequest, SubscribeCalendarRequest, TimeInfo, UnsubscribeCalendarRequest)
from lark_oapi.api.vc.v1 import (
    ApplyReserveRequest, ApplyReserveRequestBody, CreateRoomLevelRequest, CreateScopeConfigRequest, DeleteReserveRequest,
    DelRoomLevelRequest, DelRoomLevelRequestBody, DisableInformConfig, GetRoomLevelRequest, ListRoomLevelRequest,
    PatchReserveConfigAdminRequest, PatchReserveConfigAdminRequestBody, PatchReserveConfigDisableInformRequest,
    PatchReserveConfigDisableInformRequestBody, PatchReserveConfigFormRequest, PatchReserveConfigFormRequestBody,
    PatchReserveConfigRequest, PatchReserveConfigRequestBody, PatchRoomLevelRequest, PatchRoomRequest, ReserveAdminConfig,
    ReserveFormConfig, ReserveMeetingSetting, Room, RoomConfig, RoomLevel, ScopeConfig, SearchRoomLevelRequest,
    SubscribeDepartment, SubscribeUser, TimeConfig, UpdateReserveRequest, UpdateReserveRequestBody)

from harness import check, until

START = 1_930_000_000
ANN = SubscribeUser.builder().user_id("ou_ann").build()


def levels(api, done, refused):
    """Two levels, one below the other; gives both ids."""
    def make(name, parent, own):
        level = RoomLevel.builder().name(name).parent_id(parent).custom_group_id(own).build()
        return done(api.vc.v1.room_level.create(CreateRoomLevelRequest.builder().request_body(level).build()), "a level").room_level

    building = make("Building A", "omb_campus", "A")
    floor = make("Floor 1", building.room_level_id, "A1")
    check((floor.parent_id, floor.custom_group_id) == (building.room_level_id, "A1"), f"another level was made: {floor.name}")
    listed = done(api.vc.v1.room_level.list(ListRoomLevelRequest.builder().room_level_id(building.room_level_id).build()), "levels")
    check([level.name for level in listed.items] == ["Floor 1"], f"below the building are {[level.name for level in listed.items]}")
    found = done(api.vc.v1.room_level.search(SearchRoomLevelRequest.builder().custom_level_ids("A1").build()), "a search")
    check(found.level_ids == [floor.room_level_id], f"the search found {found.level_ids}")
    renamed = RoomLevel.builder().name("Ground floor").parent_id(building.room_level_id).build()
    patch = PatchRoomLevelRequest.builder().room_level_id(floor.room_level_id).request_body(renamed).build()
    done(api.vc.v1.room_level.patch(patch), "renaming a level")
    get = GetRoomLevelRequest.builder().room_level_id(floor.room_level_id).build()
    read = done(api.vc.v1.room_level.get(get), "reading a level").room_level
    check((read.name, read.custom_group_id) == ("Ground floor", "A1"), f"a level reads {read.name}, {read.custom_group_id}")
    unknown = GetRoomLevelRequest.builder().room_level_id("omb_nowhere").build()
    refused(api.vc.v1.room_level.get(unknown), 404, 121004, "an unknown level")
    return building.room_level_id, floor.room_level_id


def booking_rules(api, done, level, room):
    """Who may book what is on a level, and a room's new name."""
    time = TimeConfig.builder().if_cover_child_scope(True).time_switch(1).days_in_advance(120).build()
    # The page has a string where the SDK's model declares an integer.
    rules = PatchReserveConfigRequestBody.builder().scope_type("1").time_config(time).build()
    request = PatchReserveConfigRequest.builder().reserve_config_id(level).request_body(rules).build()
    done(api.vc.v1.reserve_config.patch(request), "rules of a level")
    form = ReserveFormConfig.builder().reserve_form(True).if_cover_child_scope(True).notified_users([ANN]).build()
    body = PatchReserveConfigFormRequestBody.builder().scope_type(1).reserve_form_config(form).build()
    request = PatchReserveConfigFormRequest.builder().reserve_config_id(level).request_body(body).build()
    done(api.vc.v1.reserve_config_form.patch(request), "a form of a level")
    department = SubscribeDepartment.builder().department_id("od-1").build()
    admins = ReserveAdminConfig.builder().users([ANN]).depts([department]).build()
    body = PatchReserveConfigAdminRequestBody.builder().scope_type(1).reserve_admin_config(admins).build()
    request = PatchReserveConfigAdminRequest.builder().reserve_config_id(level).request_body(body).build()
    done(api.vc.v1.reserve_config_admin.patch(request), "administrators of a level")
    inform = DisableInformConfig.builder().if_cover_child_scope(True).if_inform(True).informed_users([ANN]).build()
    body = PatchReserveConfigDisableInformRequestBody.builder().scope_type(1).disable_inform(inform).build()
    request = PatchReserveConfigDisableInformRequest.builder().reserve_config_id(level).request_body(body).build()
    done(api.vc.v1.reserve_config_disable_inform.patch(request), "who is told about closures")
    shown = RoomConfig.builder().room_background("https://example.com/wall.png").build()
    config = ScopeConfig.builder().scope_type(1).scope_id(level).scope_config(shown).build()
    done(api.vc.v1.scope_config.create(CreateScopeConfigRequest.builder().request_body(config).build()), "what a level's rooms show")
    request = PatchRoomRequest.builder().room_id(room).request_body(Room.builder().name("Aula").capacity(80).build()).build()
    done(api.vc.v1.room.patch(request), "a room's new name")


def take_down(api, done, refused, levels_made):
    """The levels again, from the lowest."""
    for level in reversed(levels_made):
        body = DelRoomLevelRequestBody.builder().room_level_id(level).delete_child(False).build()
        done(api.vc.v1.room_level.del_(DelRoomLevelRequest.builder().request_body(body).build()), "deleting a level")
    gone = GetRoomLevelRequest.builder().room_level_id(levels_made[0]).build()
    refused(api.vc.v1.room_level.get(gone), 404, 121004, "a deleted level")


def access(api, done, calendar):
    """Somebody may write, is listed, and may no longer; the calendar gets another name and is subscribed to."""
    acl = CalendarAcl.builder().role("writer").scope(AclScope.builder().type("user").user_id("ou_ann").build()).build()
    create = CreateCalendarAclRequest.builder().calendar_id(calendar).user_id_type("open_id").request_body(acl).build()
    made = done(api.calendar.v4.calendar_acl.create(create), "access")
    check((made.role, made.scope.user_id) == ("writer", "ou_ann"), f"other access was given: {made.role}")
    again = done(api.calendar.v4.calendar_acl.create(create), "the same access again")
    check(again.acl_id == made.acl_id, "the same access has two ids")
    page = ListCalendarAclRequest.builder().calendar_id(calendar).user_id_type("open_id").page_size(50).build()
    listed = done(api.calendar.v4.calendar_acl.list(page), "who has access").acls
    check([each.acl_id for each in listed] == [made.acl_id], f"access is listed as {[each.acl_id for each in listed]}")
    delete = DeleteCalendarAclRequest.builder().calendar_id(calendar).acl_id(made.acl_id).build()
    done(api.calendar.v4.calendar_acl.delete(delete), "taking access away")
    left = done(api.calendar.v4.calendar_acl.list(page), "who has access").acls
    check(not left, f"access is still listed: {left}")
    patch = PatchCalendarRequest.builder().calendar_id(calendar).request_body(Calendar.builder().summary("Term").build()).build()
    check(done(api.calendar.v4.calendar.patch(patch), "a calendar's new name").calendar.summary == "Term", "the name is the old one")
    done(api.calendar.v4.calendar.subscribe(SubscribeCalendarRequest.builder().calendar_id(calendar).build()), "subscribing")
    done(api.calendar.v4.calendar.unsubscribe(UnsubscribeCalendarRequest.builder().calendar_id(calendar).build()), "unsubscribing")


def instant(seconds):
    return TimeInfo.builder().timestamp(str(seconds)).timezone("Asia/Shanghai").build()


def events(api, done, refused, calendar, room):
    """An event with a person and a room, changed and taken away; the same key again makes no second one."""
    event = CalendarEvent.builder().summary("Lecture").start_time(instant(START)).end_time(instant(START + 5400)).build()
    create = (CreateCalendarEventRequest.builder().calendar_id(calendar).user_id_type("open_id")
              .idempotency_key("25fdf41b-8c80-2ce1-e94c-de8b5e7aa7e6").request_body(event).build())
    made = done(api.calendar.v4.calendar_event.create(create), "an event").event
    given = (made.summary, made.organizer_calendar_id, made.start_time.timestamp)
    check(given == ("Lecture", calendar, str(START)), f"another event was made: {given}")
    again = done(api.calendar.v4.calendar_event.create(create), "the same key again").event
    check(again.event_id == made.event_id, "one idempotency key made two events")

    def listed():
        page = ListCalendarEventRequest.builder().calendar_id(calendar).start_time(str(START - 1)).end_time(str(START + 9000)).build()
        return [each.event_id for each in done(api.calendar.v4.calendar_event.list(page), "events").items or []]

    check(listed() == [made.event_id], f"the calendar has the events {listed()}")
    attendees(api, done, calendar, made.event_id, room)
    patch = (PatchCalendarEventRequest.builder().calendar_id(calendar).event_id(made.event_id)
             .request_body(CalendarEvent.builder().summary("Exam").build()).build())
    check(done(api.calendar.v4.calendar_event.patch(patch), "changing an event").event.summary == "Exam", "the event is as before")
    delete = DeleteCalendarEventRequest.builder().calendar_id(calendar).event_id(made.event_id).build()
    done(api.calendar.v4.calendar_event.delete(delete), "deleting an event")
    refused(api.calendar.v4.calendar_event.delete(delete), 403, 193003, "an event that is deleted already")
    check(listed() == [], f"the deleted event is listed: {listed()}")


def attendees(api, done, calendar, event, room):
    """A person and a room are invited; the room decides after a while; the person is taken off the list."""
    person = CalendarEventAttendee.builder().type("user").user_id("ou_ann").build()
    place = CalendarEventAttendee.builder().type("resource").room_id(room).operate_id("ou_ann").build()
    body = CreateCalendarEventAttendeeRequestBody.builder().attendees([person, place]).build()
    create = (CreateCalendarEventAttendeeRequest.builder().calendar_id(calendar).event_id(event).user_id_type("open_id")
              .request_body(body).build())
    made = done(api.calendar.v4.calendar_event_attendee.create(create), "attendees").attendees
    invited = [(each.type, each.user_id or each.room_id, each.rsvp_status) for each in made]
    expected = [("user", "ou_ann", "needs_action"), ("resource", room, "needs_action")]
    check(invited == expected, f"invited were {invited}, expected {expected}")

    def listed():
        page = ListCalendarEventAttendeeRequest.builder().calendar_id(calendar).event_id(event).page_size(100).build()
        return done(api.calendar.v4.calendar_event_attendee.list(page), "who is invited").items or []

    until(lambda: [each.rsvp_status for each in listed() if each.type == "resource"] == ["accept"], 10, "the room's answer")
    ids = [each.attendee_id for each in listed() if each.type == "user"]
    body = BatchDeleteCalendarEventAttendeeRequestBody.builder().attendee_ids(ids).build()
    delete = (BatchDeleteCalendarEventAttendeeRequest.builder().calendar_id(calendar).event_id(event).user_id_type("open_id")
              .request_body(body).build())
    done(api.calendar.v4.calendar_event_attendee.batch_delete(delete), "taking somebody off the list")
    left = [each.type for each in listed()]
    check(left == ["resource"], f"invited are still {left}")


def reserves(api, done):
    """A meeting is reserved, moved and given up."""
    settings = ReserveMeetingSetting.builder().topic("Viva").build()
    body = ApplyReserveRequestBody.builder().end_time(str(START)).owner_id("ou_ann").meeting_settings(settings).build()
    request = ApplyReserveRequest.builder().user_id_type("open_id").request_body(body).build()
    made = done(api.vc.v1.reserve.apply(request), "a reserved meeting").reserve
    check(made.id and made.meeting_no and made.url.startswith("https://"), f"a reserved meeting without id or address: {made.id}")
    body = UpdateReserveRequestBody.builder().end_time(str(START + 60)).build()
    update = UpdateReserveRequest.builder().reserve_id(made.id).request_body(body).build()
    done(api.vc.v1.reserve.update(update), "moving a reserved meeting")
    done(api.vc.v1.reserve.delete(DeleteReserveRequest.builder().reserve_id(made.id).build()), "giving a reserved meeting up")
