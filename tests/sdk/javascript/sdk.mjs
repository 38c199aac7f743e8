// JavaScript SDK: TagoIO's own client, called as the lines of standard input tell it.
// The lines are those of ../python_sdk.py; the first argument is the folder in whose
// node_modules the client is.

import { createRequire } from "node:module";
import { on, once } from "node:events";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const found = createRequire(`${process.argv[2]}/`).resolve("@tago-io/sdk");
const { Authorization, Device, Resources, Services } = await import(pathToFileURL(found));
// What the client opens a stream with, for the triggers of an analysis.
const { EventSource } = createRequire(found)("eventsource");

// What the one of the clients calls otherwise than the other, or has alone.
const NAMES = { access: "accessManagement", profile: "profiles" };
const OTHERS = {
  "events.follow": follow,
  "events.next": (token) => followed.get(token).next(),
  "services.mail": (token, mail) => new Services({ token }).smtp.send(mail),
  "services.queue": (token, sent) =>
    new Services({ token }).aws_sqs.sendMessage(sent),
  "console.log": (token, message, at) =>
    new Services({ token }).console.log(message, at && new Date(`${at}Z`)),
  "device.info": (token) => new Device({ token }).info(),
  "authorization.info": (token, details) =>
    new Authorization({ token, details }).info(),
};

const followed = new Map(); // by token

async function follow(token, channels) {
  const url = new URL(process.env.TAGOIO_SSE);
  url.searchParams.set("channels", channels);
  url.searchParams.set("token", token);
  const source = new EventSource(url.toString());
  const events = on(source, "message");
  followed.set(token, {
    next: async () => JSON.parse((await events.next()).value[0].data),
  });
  await once(source, "open");
  return "opened";
}

async function called({ token, call, arguments: given }) {
  if (OTHERS[call]) return OTHERS[call](token, ...given);
  const [resource, method] = call.split(".");
  const module = new Resources({ token })[NAMES[resource] ?? resource];
  return module[method](...given);
}

let last;
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  asked.arguments = asked.arguments.map((argument) =>
    argument?.$last ? { ...last, ...argument.$last } : argument,
  );
  let answer;
  try {
    last = await called(asked);
    answer = { result: last };
  } catch (refused) {
    if (refused instanceof Error) throw refused; // a mistake here: the API's are texts
    answer = { refused };
  }
  console.log(JSON.stringify(answer));
}
