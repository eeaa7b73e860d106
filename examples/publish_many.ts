// Publishes 500 jobs with their confirms in flight: npx tsx publish_many.ts [AMQP_URL]. Needs amqplib and @types/amqplib.

import amqp from "amqplib";

const count = 500;
const [url = "amqp://guest:guest@127.0.0.1:5672/%2f"] = process.argv.slice(2);
const connection = await amqp.connect(url);
const channel = await connection.createConfirmChannel();
const lost = new Set<string>();
// The broker confirms what it cannot route, too: it says so first.
channel.on("return", (message: amqp.Message) => lost.add(message.properties.messageId));

for (let number = 0; number < count; number++) {
  const id = `class-${number}-2034`;
  const job = {
    id,
    method: "feishu.calendar.create",
    app: "acme",
    batch: "classes-2034",
    body: { summary: `Class ${number} 班级` },
  };
  const options = { persistent: true, mandatory: true, messageId: id };
  const refused = (error: unknown) => {
    if (error) lost.add(id);
  };
  channel.sendToQueue("paceline.jobs", Buffer.from(JSON.stringify(job)), options, refused);
}
await channel.waitForConfirms().catch(() => undefined); // what was refused is in `lost`
await connection.close();
if (lost.size > 0) throw new Error(`not published, publish the same ids again: ${[...lost].join(", ")}`);
console.log(`published ${count} jobs`);
