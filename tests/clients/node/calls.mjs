// Makes the calls that standard input asks for, one after another, and tells what each came to.
import Finch from "@tryfinch/finch-api";

const asked = JSON.parse(await new Response(process.stdin).text());
const client = new Finch(asked.client);
const calls = {
  create: (body, options) => client.sandbox.jobs.create(body, options),
  retrieve: (jobId, options) => client.jobs.automated.retrieve(jobId, options),
  list: (query, options) => client.jobs.automated.list(query, options),
};

const told = [];
for (const { call, given, options } of asked.calls) {
  try {
    told.push({ value: await calls[call](given, options) });
  } catch (error) {
    told.push({ error: error.constructor.name, status: error.status ?? null, body: error.error ?? null });
  }
}
console.log(JSON.stringify(told));
