// usage: matrix-client.mjs --sdk 1|2 [--era legacy|modern] -- COMMAND [ARG…]
// The official TypeScript SDKs as stdio clients of the demo server behind COMMAND: uses each
// feature and prints one JSON line, {"version": …, "features": {NAME: null or what went wrong}}.
import { parseArgs } from "node:util";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { sdk: { type: "string" }, era: { type: "string", default: "legacy" } },
});
const [command, ...args] = positionals;
const isModern = options.era === "modern";
const WELCOME = "demo://welcome";
const LOG_LEVEL = "io.modelcontextprotocol/logLevel";

const sdk = await { 1: sdk1, 2: sdk2 }[options.sdk]();
const client = sdk.client({ sampling: {}, elicitation: { form: {}, url: {} }, roots: {} });
const heard = [];
let wake = () => {};
client.fallbackNotificationHandler = async (notification) => {
  heard.push(notification);
  wake();
};
sdk.answer(client, "sampling/createMessage", () => ({
  role: "assistant",
  model: "canned",
  content: { type: "text", text: "creak" },
}));
sdk.answer(client, "elicitation/create", ({ params }) =>
  params.mode === "url" ? { action: "accept" } : { action: "accept", content: { colour: "green" } },
);
sdk.answer(client, "roots/list", () => ({ roots: [{ uri: "file:///here" }] }));
await client.connect(sdk.transport);

const features = {
  async tools() {
    const { tools } = await client.listTools();
    has(tools.map(({ name }) => name), "echo_message");
    same(await call("echo_message", { message: "hello" }), "hello");
  },
  async prompts() {
    const { prompts } = await client.listPrompts();
    has(prompts.map(({ name }) => name), "explain");
    const { messages } = await client.getPrompt({ name: "explain", arguments: { text: "moats" } });
    same(messages[0].content.text.includes("moats"), true);
  },
  async resources() {
    const { resources } = await client.listResources();
    has(resources.map(({ uri }) => uri), WELCOME);
    same((await read(WELCOME)).includes("Welcome"), true);
  },
  async templates() {
    const { resourceTemplates } = await client.listResourceTemplates();
    has(resourceTemplates.map(({ uriTemplate }) => uriTemplate), "demo://note/{name}");
    same(await read("demo://note/moats"), "A note on moats");
  },
  async subscriptions() {
    const subscription = await subscribe({ resourceSubscriptions: [WELCOME] });
    await call("streams");
    await call("change", { what: WELCOME });
    same((await notification("notifications/resources/updated")).params.uri, WELCOME);
    await subscription?.close();
  },
  async progress() {
    // The SDKs forget the callback with the answer, which may be read in one go with the steps.
    const steps = [];
    const { onmessage } = sdk.transport;
    sdk.transport.onmessage = (message, more) => {
      if (message.method === "notifications/progress") steps.push(message.params.progress);
      onmessage(message, more);
    };
    same(await call("progress", { steps: 3 }, { onprogress: () => {} }), "3 steps done");
    same(String(steps), "1,2,3");
  },
  async cancellation() {
    const ends = new AbortController();
    const slow = call("slow", { until_released: true }, { signal: ends.signal }).then(
      () => "answered",
      () => "cancelled",
    );
    await call("slow_calls", { count: 1 });
    ends.abort();
    same(await slow, "cancelled");
    await call("slow_calls", { count: 0 });
  },
  async logging() {
    if (!isModern) await client.setLoggingLevel("warning");
    await call("log", {}, {}, isModern ? { [LOG_LEVEL]: "warning" } : undefined);
    for (const level of ["warning", "error"]) same((await notification("notifications/message")).params.level, level);
  },
  form: async () => same(await call("elicit"), "You like green."),
  url: async () => same(await call("elicit_url"), "You went to look."),
  sampling: async () => same(await call("sample"), "Your model wrote: creak"),
  roots: async () => same(await call("roots"), "Your roots: file:///here"),
  async completion() {
    const argument = { name: "text", value: "b" };
    const { completion } = await client.complete({ ref: { type: "ref/prompt", name: "explain" }, argument });
    same(String(completion.values), "bridge,bascule");
  },
  async "list changes"() {
    await subscribe({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true });
    await call("streams");
    for (const what of ["tools", "prompts", "resources"]) {
      await call("change", { what });
      await notification(`notifications/${what}/list_changed`);
    }
  },
};

const outcome = {};
for (const [name, use] of Object.entries(features)) {
  outcome[name] = await use().then(
    () => null,
    (error) => String(error.message),
  );
}
process.stdout.write(`${JSON.stringify({ version: sdk.version(client), features: outcome })}\n`, async () => {
  await client.close();
  process.exit();
});

async function call(name, args = {}, options = {}, _meta = undefined) {
  const result = await sdk.call(client, { name, arguments: args, ..._meta && { _meta } }, options);
  return result.content[0].text;
}

async function read(uri) {
  return (await client.readResource({ uri })).contents[0].text;
}

async function subscribe(wanted) {
  if (isModern) return client.listen(wanted);
  for (const uri of wanted.resourceSubscriptions ?? []) await client.subscribeResource({ uri });
}

async function notification(method) {
  for (;;) {
    const at = heard.findIndex((known) => known.method === method);
    if (at >= 0) return heard.splice(at, 1)[0];
    await new Promise((resolve) => (wake = resolve));
  }
}

function same(found, wanted) {
  if (found !== wanted) throw new Error(`${wanted} was wanted, and there was ${found}`);
}

function has(all, wanted) {
  if (!all.includes(wanted)) throw new Error(`${wanted} is missing among ${all}`);
}

async function sdk1() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const types = await import("@modelcontextprotocol/sdk/types.js");
  const schemas = {
    "sampling/createMessage": types.CreateMessageRequestSchema,
    "elicitation/create": types.ElicitRequestSchema,
    "roots/list": types.ListRootsRequestSchema,
  };
  const transport = new StdioClientTransport({ command, args, env: { ...process.env } });
  let agreed;
  transport.setProtocolVersion = (version) => (agreed = version);
  return {
    transport,
    client: (capabilities) => new Client({ name: "sdk-1", version: "1" }, { capabilities }),
    answer: (client, method, result) => client.setRequestHandler(schemas[method], result),
    call: (client, params, options) => client.callTool(params, undefined, options),
    version: () => agreed,
  };
}

async function sdk2() {
  const { Client } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const versionNegotiation = { mode: isModern ? { pin: "2026-07-28" } : "legacy" };
  return {
    transport: new StdioClientTransport({ command, args, env: { ...process.env } }),
    client: (capabilities) => new Client({ name: "sdk-2", version: "1" }, { capabilities, versionNegotiation }),
    answer: (client, method, result) => client.setRequestHandler(method, result),
    call: (client, params, options) => client.callTool(params, options),
    version: (client) => client.getNegotiatedProtocolVersion(),
  };
}
