// usage: sdk-client.mjs [--calls JSON] [--timeout SECONDS] -- COMMAND [ARG…]
// The official TypeScript SDK as a stdio client: starts COMMAND, lists everything
// it has, makes the calls and prints one JSON line with all that it saw.
//   --calls '[{"name": "echo", "arguments": {"message": "hi"}}]'
// Requests of the server (sampling, elicitation, roots) get canned answers.
// Exits 1 when the connection or a request fails, or when the whole run takes longer
// than the timeout (60 s); a tool's own error is a result.
import { parseArgs } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calls: { type: "string", default: "[]" },
    timeout: { type: "string", default: "60" },
  },
});
const [command, ...args] = positionals;
if (!command) {
  console.error("usage: sdk-client.mjs [--calls JSON] [--timeout SECONDS] -- COMMAND [ARG…]");
  process.exit(2);
}
const calls = JSON.parse(options.calls);
const limit = { timeout: Number(options.timeout) * 1000 };

const seen = { requests: [], notifications: [] };
const client = cannedClient();
const transport = new StdioClientTransport({ command, args, env: { ...process.env } });
// The client tells a transport that has this method which version was agreed on.
let protocolVersion;
transport.setProtocolVersion = (version) => (protocolVersion = version);
process.on("SIGTERM", () => finish({ error: { message: "ended by SIGTERM" } }));
setTimeout(() => finish({ error: { message: `not done within ${options.timeout} s` } }), limit.timeout);

try {
  await client.connect(transport, limit);
  await finish({ ...(await lookAround()), calls: await callAll() });
} catch (error) {
  await finish({ error: { code: error.code, message: error.message } });
}

async function finish(outcome) {
  if (process.exitCode !== undefined) return;
  process.exitCode = outcome.error ? 1 : 0;
  await new Promise((written) => process.stdout.write(`${JSON.stringify({ ...outcome, ...seen })}\n`, written));
  await client.close();
  process.exit();
}

function cannedClient() {
  const client = new Client(
    { name: "sdk-client", version: "1.0.0" },
    { capabilities: { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } } },
  );
  const answer = (schema, result) =>
    client.setRequestHandler(schema, (request) => {
      seen.requests.push(request.method);
      return result(request);
    });
  answer(CreateMessageRequestSchema, () => ({
    role: "assistant",
    model: "canned",
    content: { type: "text", text: "canned answer" },
  }));
  answer(ElicitRequestSchema, ({ params }) => ({ action: "accept", ...(params.mode === "url" ? {} : { content: fill(params) }) }));
  answer(ListRootsRequestSchema, () => ({ roots: [{ uri: "file:///canned", name: "canned" }] }));
  client.fallbackNotificationHandler = async ({ method }) => void seen.notifications.push(method);
  return client;
}

/** Answers an elicitation form: each required field gets its default or the first value its schema allows. */
function fill({ requestedSchema: { properties, required = [] } }) {
  const value = ({ type, default: preset, enum: names, oneOf }) =>
    preset ?? names?.[0] ?? oneOf?.[0].const ?? { string: "canned", number: 1, integer: 1, boolean: true, array: [] }[type];
  return Object.fromEntries(required.map((name) => [name, value(properties[name])]));
}

async function lookAround() {
  const has = client.getServerCapabilities();
  return {
    server: client.getServerVersion(),
    protocolVersion,
    capabilities: has,
    instructions: client.getInstructions(),
    tools: has.tools && (await all("tools", (page) => client.listTools(page, limit))).map(({ name }) => name),
    prompts: has.prompts && (await all("prompts", (page) => client.listPrompts(page, limit))).map(({ name }) => name),
    resources: has.resources && (await all("resources", (page) => client.listResources(page, limit))).map(({ uri }) => uri),
  };
}

async function all(key, list) {
  const items = [];
  let cursor;
  do {
    const page = await list({ cursor });
    items.push(...page[key]);
    cursor = page.nextCursor;
  } while (cursor);
  return items;
}

async function callAll() {
  const results = [];
  for (const call of calls) {
    let progress = 0;
    const onprogress = () => (progress += 1);
    const result = await client.callTool(call, undefined, { ...limit, onprogress, resetTimeoutOnProgress: true });
    results.push({ name: call.name, progress, result });
  }
  return results;
}
