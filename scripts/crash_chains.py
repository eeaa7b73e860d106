"""The chains of the crash harness: jobs that wait for others and take ids from their results."""

EVENT, PEOPLE = "feishu.calendar.event.create", "feishu.calendar.event.attendee.create"
LEVEL, RULES = "feishu.vc.room_level.create", "feishu.vc.reserve_config.patch"
SEMINAR_ROOM, BOOKING = "wecom.oa.meetingroom.add", "wecom.oa.meetingroom.book"
ROOM, CALENDAR, MEETING = "feishu.vc.room.create", "feishu.calendar.create", "wecom.meeting.create"
MINUTES = "feishu.calendar.event.meeting_minute.create"
START = 1_930_000_000


def job(job_id, method, by, **rest):
    return {"id": job_id, "method": method, "app": "campus" if method.startswith("wecom") else "acme", "batch": by, **rest}


def of(job_id):
    return {"$from": job_id}


def span(number):
    return START + 7200 * number, START + 7200 * number + 3600


def lecture(name, number, by):
    """A calendar, two events one after the other, people and a room for the first, and its minutes."""
    first, last = span(number)
    calendar = job(f"{name}-calendar", CALENDAR, by, body={"summary": f"Crash {name}", "description": f"calendar of {name}"})
    path = {"calendar_id": of(calendar["id"])}

    def event(event_id, after):
        body = {"summary": event_id, "start_time": {"timestamp": str(first)}, "end_time": {"timestamp": str(last)}}
        return job(event_id, EVENT, by, path=path, body=body, after=after)

    one = event(f"{name}-event", [])
    two = event(f"{name}-exam", [one["id"]])
    within = {**path, "event_id": of(one["id"])}
    invited = [{"type": "user", "user_id": f"ou_{number}"}, {"type": "resource", "room_id": f"omm_{number}", "operate_id": "ou_office"}]
    people = job(f"{name}-people", PEOPLE, by, path=within, body={"attendees": invited})
    minutes = job(f"{name}-minutes", MINUTES, by, path=within, after=[people["id"]])
    return [calendar, one, two, people, minutes]


def building(name, number, by):
    """A level, a room on it, and who may book it."""
    level = job(f"{name}-level", LEVEL, by, body={"name": f"Crash {name}", "parent_id": "omb_campus"})
    room = job(f"{name}-hall", ROOM, by, body={"name": f"Crash {name}", "capacity": 4, "room_level_id": of(level["id"])})
    time = {"time_switch": 1, "if_cover_child_scope": True, "days_in_advance": 120}
    rules = job(f"{name}-rules", RULES, by, path={"reserve_config_id": of(level["id"])}, after=[room["id"]],
                body={"scope_type": "1", "time_config": time})
    return [level, room, rules]


def seminar(name, number, by):
    """A meeting, a room, and the room's booking when both are there."""
    first, last = span(number)
    meeting = job(f"{name}-meeting", MEETING, by, body={"admin_userid": f"c{number}", "title": name, "meeting_start": first,
                                                        "meeting_duration": 3000})
    room = job(f"{name}-room", SEMINAR_ROOM, by, body={"name": f"Crash {name}", "capacity": 12, "city": "Hangzhou",
                                                      "building": "Library", "floor": f"{number % 5}F"})
    booking = job(f"{name}-booking", BOOKING, by, after=[meeting["id"]],
                  body={"meetingroom_id": of(room["id"]), "booker": f"c{number}", "start_time": first, "end_time": last})
    return [meeting, room, booking]


def chain(number, by):
    """The chain of that number, of one of three kinds."""
    kind = (lecture, building, seminar)[number % 3]
    return kind(f"{by}-{kind.__name__}-{number}", number, by)


def waited_for(each):
    """The ids of the jobs that a job waits for."""
    found = set(each.get("after", []))

    def look(value):
        if isinstance(value, dict):
            if "$from" in value:
                found.add(value["$from"])
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(each.get("path"))
    look(each.get("body"))
    return found
