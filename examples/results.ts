// Consumes results: npx tsx results.ts [AMQP_URL [QUEUE]]. Needs amqplib and @types/amqplib.
//
// Results come at least once, so what is done with one is done under its id. A message is acked after that.

import amqp from "amqplib";

interface Warning {
  field: string;
  message: string;
  values: unknown[];
}

interface Result {
  id: string;
  method: string;
  app: string;
  batch?: string;
  status: "succeeded";
  key?: string;
  result: unknown;
  warnings?: Warning[];
  attempts: number;
  finished_at: string;
  meta?: Record<string, unknown>;
}

const [url = "amqp://guest:guest@127.0.0.1:5672/%2f", queue = "paceline.results"] = process.argv.slice(2);
const connection = await amqp.connect(url);
const channel = await connection.createChannel();
await channel.prefetch(100);
const seen = new Set<string>(); // a program that is started again keeps this in its database

await channel.consume(queue, (message) => {
  if (message === null) throw new Error("the queue was deleted");
  const result: Result = JSON.parse(message.content.toString());
  if (!seen.has(result.id)) {
    seen.add(result.id);
    console.log(`${result.id}\t${result.key ?? ""}`);
    for (const warning of result.warnings ?? []) {
      console.log(`${result.id}\twarning: ${warning.message}: ${JSON.stringify(warning.values)}`);
    }
  }
  channel.ack(message);
});
