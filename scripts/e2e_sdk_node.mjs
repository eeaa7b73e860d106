// Feishu's SDK for Node against the simulator; scripts/e2e_sdk.py starts it with the simulator's address and the folder of
// the SDK. Its scenario allows four rooms a minute and knows the event e-1_0 and the user u-ann-node.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

import { campus } from "./e2e_sdk_campus.mjs";

const [, , domain, folder] = process.argv;
const lark = createRequire(path.join(path.resolve(folder), "here.js"))("@larksuiteoapi/node-sdk");
const silent = { error() {}, warn() {}, info() {}, debug() {}, trace() {} };
const client = new lark.Client({ appId: "cli_node", appSecret: "any", domain, logger: silent });
const { room } = client.vc.v1;
const { calendar, calendarEventMeetingMinute: minutes } = client.calendar.v4;

/** The data of a success. */
async function done(call, what) {
  const { code, msg, data } = await call;
  assert.equal(code, 0, `${what}: ${code} ${msg}`);
  return data;
}

/** A refusal with the documented status and code, and with a log id; gives its headers. */
async function refused(call, status, code, what) {
  const error = await call.then(
    () => assert.fail(`${what} was taken`),
    (error) => error,
  );
  const { response } = error;
  assert.ok(response, `${what}: ${error}`);
  assert.deepEqual([response.status, response.data.code], [status, code], what);
  assert.ok(response.headers["x-tt-logid"], `${what}: no log id`);
  return response.headers;
}

const made = [];
for (let number = 0; number < 3; number += 1) {
  const data = { name: `8F-80${number}`, capacity: 4, room_level_id: "omb_2" };
  made.push((await done(room.create({ data }), "a room")).room.room_id);
}
const listed = [];
for await (const page of await room.listWithIterator({ params: { page_size: 2, room_level_id: "omb_2" } })) {
  listed.push(...page.rooms.map((each) => each.room_id));
}
assert.deepEqual(listed, made, "the listing has other rooms than were made");
const { room: read } = await done(room.get({ path: { room_id: made[0] } }), "reading a room");
assert.deepEqual([read.name, read.capacity], ["8F-800", 4]);
await done(room.delete({ path: { room_id: made[0] } }), "deleting a room");
await refused(room.get({ path: { room_id: made[0] } }), 404, 121004, "a deleted room");
await refused(room.create({ data: { name: "no level", capacity: 4 } }), 400, 121003, "a room without a level");
const headers = await refused(
  room.create({ data: { name: "one too many", capacity: 4, room_level_id: "omb_2" } }),
  429,
  99991400,
  "a fifth room within a minute",
);
const reset = Number(headers["x-ogw-ratelimit-reset"]);
assert.ok(Number.isInteger(reset) && reset > 0 && reset <= 60, `no seconds until the limit ends: ${reset}`);

const asAnn = lark.withUserAccessToken("u-ann-node");
const { calendar: own } = await done(calendar.create({ data: {} }), "a calendar");
assert.deepEqual([own.summary, own.permissions, own.color], ["", "show_only_free_busy", -14513409]);
const { calendar: hers } = await done(calendar.create({ data: { summary: "Ann" } }, asAnn), "a user's calendar");
for (const [option, expected] of [[undefined, own], [asAnn, hers]]) {
  const page = await done(calendar.list({ params: { page_size: 50 } }, option), "calendars");
  assert.deepEqual(page.calendar_list.map((each) => each.calendar_id), [expected.calendar_id]);
  assert.ok(page.sync_token && !page.has_more && page.page_token === undefined);
}
const event = (event_id) => ({ path: { calendar_id: own.calendar_id, event_id } });
const { doc_url: url } = await done(minutes.create(event("e-1_0")), "minutes");
assert.match(url, /^https:\/\//);
await refused(minutes.create(event("e-2_0")), 404, 193001, "an unknown event");
await done(calendar.delete({ path: { calendar_id: own.calendar_id } }), "deleting a calendar");
await refused(calendar.get({ path: { calendar_id: own.calendar_id } }), 403, 191003, "a deleted calendar");

await fetch(`${domain}/_simulator/revoke-tokens`, { method: "POST" });
await done(room.list({ params: { page_size: 2 } }), "a call after every token was revoked");
console.log("@larksuiteoapi/node-sdk: rooms, calendars, minutes, refusals with log ids, tokens, a rate limit");

const another = new lark.Client({ appId: "cli_node_campus", appSecret: "any", domain, logger: silent });
await campus(another, done, refused);
console.log("@larksuiteoapi/node-sdk: levels, rules for booking, access, events with people and rooms, reserved meetings");
