// What scripts/e2e_sdk_node.mjs does beyond rooms and calendars: levels and who may book what is on them, access to calendars,
// events with their attendees, and reserved meetings.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

const START = 1_930_000_000;
const ANN = [{ user_id: "ou_ann" }];

async function levels(vc, done, refused) {
  const make = async (name, parent_id, custom_group_id) =>
    (await done(vc.roomLevel.create({ data: { name, parent_id, custom_group_id } }), "a level")).room_level;
  const building = await make("Building B", "omb_campus", "B");
  const floor = await make("Floor 1", building.room_level_id, "B1");
  assert.deepEqual([floor.parent_id, floor.custom_group_id], [building.room_level_id, "B1"]);
  const params = { room_level_id: building.room_level_id, page_size: 10 };
  const { items } = await done(vc.roomLevel.list({ params }), "levels");
  assert.deepEqual(items.map((level) => level.name), ["Floor 1"]);
  const found = await done(vc.roomLevel.search({ params: { custom_level_ids: "B1" } }), "a search");
  assert.deepEqual(found.level_ids, [floor.room_level_id]);
  const path = { room_level_id: floor.room_level_id };
  await done(vc.roomLevel.patch({ path, data: { name: "Ground floor", parent_id: building.room_level_id } }), "renaming a level");
  const { room_level: read } = await done(vc.roomLevel.get({ path }), "reading a level");
  assert.deepEqual([read.name, read.custom_group_id], ["Ground floor", "B1"]);
  await refused(vc.roomLevel.get({ path: { room_level_id: "omb_nowhere" } }), 404, 121004, "an unknown level");
  return [building.room_level_id, floor.room_level_id];
}

async function bookingRules(vc, done, level, roomId) {
  const path = { reserve_config_id: level };
  const time_config = { if_cover_child_scope: true, time_switch: 1, days_in_advance: 120 };
  await done(vc.reserveConfig.patch({ path, data: { scope_type: "1", time_config } }), "rules of a level");
  const reserve_form_config = { reserve_form: true, if_cover_child_scope: true, notified_users: ANN };
  await done(vc.reserveConfigForm.patch({ path, data: { scope_type: 1, reserve_form_config } }), "a form of a level");
  const reserve_admin_config = { users: ANN, depts: [{ department_id: "od-1" }] };
  await done(vc.reserveConfigAdmin.patch({ path, data: { scope_type: 1, reserve_admin_config } }), "administrators of a level");
  const disable_inform = { if_cover_child_scope: true, if_inform: true, informed_users: ANN };
  await done(vc.reserveConfigDisableInform.patch({ path, data: { scope_type: 1, disable_inform } }), "who is told about closures");
  const scope_config = { room_background: "https://example.com/wall.png" };
  await done(vc.scopeConfig.create({ data: { scope_type: 1, scope_id: level, scope_config } }), "what a level's rooms show");
  await done(vc.room.patch({ path: { room_id: roomId }, data: { name: "Aula", capacity: 80 } }), "a room's new name");
}

async function access({ calendar, calendarAcl }, done, calendar_id) {
  const path = { calendar_id };
  const create = { path, data: { role: "writer", scope: { type: "user", user_id: "ou_ann" } }, params: { user_id_type: "open_id" } };
  const made = await done(calendarAcl.create(create), "access");
  assert.deepEqual([made.role, made.scope.user_id], ["writer", "ou_ann"]);
  assert.equal((await done(calendarAcl.create(create), "the same access again")).acl_id, made.acl_id);
  const listed = async () => (await done(calendarAcl.list({ path, params: { page_size: 50 } }), "who has access")).acls ?? [];
  assert.deepEqual((await listed()).map((each) => each.acl_id), [made.acl_id]);
  await done(calendarAcl.delete({ path: { calendar_id, acl_id: made.acl_id } }), "taking access away");
  assert.deepEqual(await listed(), []);
  const { calendar: renamed } = await done(calendar.patch({ path, data: { summary: "Term" } }), "a calendar's new name");
  assert.equal(renamed.summary, "Term");
  await done(calendar.subscribe({ path }), "subscribing");
  await done(calendar.unsubscribe({ path }), "unsubscribing");
}

async function events({ calendarEvent, calendarEventAttendee }, done, refused, calendar_id, room_id) {
  const instant = (seconds) => ({ timestamp: String(seconds), timezone: "Asia/Shanghai" });
  const data = { summary: "Lecture", start_time: instant(START), end_time: instant(START + 5400) };
  const create = { path: { calendar_id }, params: { idempotency_key: "35fdf41b-8c80-2ce1-e94c-de8b5e7aa7e6" }, data };
  const { event: made } = await done(calendarEvent.create(create), "an event");
  assert.deepEqual([made.summary, made.organizer_calendar_id, made.start_time.timestamp], ["Lecture", calendar_id, String(START)]);
  const { event: again } = await done(calendarEvent.create(create), "the same key again");
  assert.equal(again.event_id, made.event_id, "one idempotency key made two events");
  const span = { start_time: String(START - 1), end_time: String(START + 9000) };
  const listed = async () => ((await done(calendarEvent.list({ path: { calendar_id }, params: span }), "events")).items ?? []);
  assert.deepEqual((await listed()).map((each) => each.event_id), [made.event_id]);
  const path = { calendar_id, event_id: made.event_id };
  await attendees(calendarEventAttendee, done, path, room_id);
  const { event: changed } = await done(calendarEvent.patch({ path, data: { summary: "Exam" } }), "changing an event");
  assert.equal(changed.summary, "Exam");
  await done(calendarEvent.delete({ path }), "deleting an event");
  await refused(calendarEvent.delete({ path }), 403, 193003, "an event that is deleted already");
  assert.deepEqual(await listed(), []);
}

async function attendees(api, done, path, room_id) {
  const invited = [{ type: "user", user_id: "ou_ann" }, { type: "resource", room_id, operate_id: "ou_ann" }];
  const params = { user_id_type: "open_id" };
  const made = await done(api.create({ path, params, data: { attendees: invited } }), "attendees");
  const found = made.attendees.map((each) => [each.type, each.user_id ?? each.room_id, each.rsvp_status]);
  assert.deepEqual(found, [["user", "ou_ann", "needs_action"], ["resource", room_id, "needs_action"]]);
  const listed = async () => (await done(api.list({ path, params: { page_size: 100 } }), "who is invited")).items ?? [];
  const answer = async () => (await listed()).find((each) => each.type === "resource").rsvp_status;
  const until = Date.now() + 10_000;
  while ((await answer()) !== "accept") {
    assert.ok(Date.now() < until, "waited in vain for the room's answer");
    await pause(100);
  }
  const attendee_ids = (await listed()).filter((each) => each.type === "user").map((each) => each.attendee_id);
  await done(api.batchDelete({ path, params, data: { attendee_ids } }), "taking somebody off the list");
  assert.deepEqual((await listed()).map((each) => each.type), ["resource"]);
}

async function reserves(vc, done) {
  const data = { end_time: String(START), owner_id: "ou_ann", meeting_settings: { topic: "Viva" } };
  const { reserve } = await done(vc.reserve.apply({ params: { user_id_type: "open_id" }, data }), "a reserved meeting");
  assert.match(reserve.url, /^https:\/\//);
  const path = { reserve_id: reserve.id };
  await done(vc.reserve.update({ path, data: { end_time: String(START + 60) } }), "moving a reserved meeting");
  await done(vc.reserve.delete({ path }), "giving a reserved meeting up");
}

/** All of it, on a level, a room and a calendar of its own. */
export async function campus(client, done, refused) {
  const { v1: vc } = client.vc;
  const { v4: api } = client.calendar;
  const made = await levels(vc, done, refused);
  const data = { name: "Hall", capacity: 8, room_level_id: made[1] };
  const { room } = await done(vc.room.create({ data }), "a room");
  await bookingRules(vc, done, made[0], room.room_id);
  const { calendar } = await done(api.calendar.create({ data: { summary: "Lectures" } }), "a calendar");
  await access(api, done, calendar.calendar_id);
  await events(api, done, refused, calendar.calendar_id, room.room_id);
  await reserves(vc, done);
  await done(vc.room.delete({ path: { room_id: room.room_id } }), "deleting a room");
  for (const room_level_id of made.reverse()) {
    await done(vc.roomLevel.del({ data: { room_level_id, delete_child: false } }), "deleting a level");
  }
  await refused(vc.roomLevel.get({ path: { room_level_id: made[0] } }), 404, 121004, "a deleted level");
}
