// usage: matrix-server.mjs --sdk 1 [--sse]
//        matrix-server.mjs --sdk 2 [--era modern|dual]
// The official TypeScript SDKs as HTTP servers that offer what the demo server offers, under the
// same names. SDK 1 speaks up to 2025-11-25, with --sse over the transport of 2024-11-05; SDK 2
// speaks 2026-07-28, and with --era dual the older versions as well.
import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import { parseArgs } from "node:util";
import { getRequestListener } from "@hono/node-server";
import { endWithParent, logToStderr, onFreePort, ready } from "./launch.mjs";

const { values: options } = parseArgs({
  options: { sdk: { type: "string" }, era: { type: "string", default: "modern" }, sse: { type: "boolean" } },
});
const WELCOME = "demo://welcome";
const NOTE = "demo://note/";
const WORDS = ["bridge", "bascule", "moat"];
const LEVELS = ["debug", "info", "warning", "error"];
const LISTS = { listChanged: true };
const CAPABILITIES = {
  tools: LISTS,
  prompts: LISTS,
  resources: { ...LISTS, subscribe: true },
  logging: {},
  completions: {},
};

const QUESTIONS = {
  elicit: {
    method: "elicitation/create",
    params: {
      mode: "form",
      message: "What is your favourite colour?",
      requestedSchema: { type: "object", properties: { colour: { type: "string" } }, required: ["colour"] },
    },
    finish: ({ content }) => `You like ${content?.colour}.`,
  },
  elicit_url: {
    method: "elicitation/create",
    params: { mode: "url", message: "Please look at the bridge.", url: "https://bridge.example/look" },
    finish: ({ action }) => (action === "accept" ? "You went to look." : `You did not look: ${action}`),
  },
  sample: {
    method: "sampling/createMessage",
    params: {
      messages: [{ role: "user", content: { type: "text", text: "Write a haiku about a drawbridge." } }],
      maxTokens: 100,
    },
    finish: ({ content }) => `Your model wrote: ${content.text}`,
  },
  roots: {
    method: "roots/list",
    finish: ({ roots }) => `Your roots: ${roots.map(({ uri }) => uri).join(", ")}`,
  },
};

// What a tool does with its arguments; `caller` is what the SDK gives it to speak to its client.
const TOOLS = {
  echo_message: ({ message }) => message,
  hello_world: ({ region }) => `Hello, ${region}!`,
  streams: async () => {
    await until(() => isHeard);
    return "heard";
  },
  change: async ({ what }, caller) => {
    if (what === "tools") names.add("brand_new");
    await caller.tellOfChange(what);
    return `changed: ${what}`;
  },
  progress: async ({ steps }, { progressToken, notify }) => {
    for (let progress = 1; progress <= steps; progress += 1)
      await notify("notifications/progress", { progressToken, progress, total: steps });
    return `${steps} steps done`;
  },
  slow: async (_, { signal }) => {
    move(() => (slowCalls += 1));
    if (!signal.aborted) await once(signal, "abort");
    move(() => (slowCalls -= 1));
    return "cancelled";
  },
  slow_calls: async ({ count }) => {
    await until(() => slowCalls === count);
    return `${count} wait`;
  },
  log: async (_, caller) => {
    for (const level of LEVELS) await caller.log(level, "The bridge creaks");
    return "It was logged.";
  },
};

const REGION = { region: { type: "string", "x-mcp-header": "Region" } };
const names = new Set([...Object.keys(TOOLS), ...Object.keys(QUESTIONS)]);
const news = new EventEmitter();
let slowCalls = 0;
let isHeard = false;

function move(change) {
  change();
  news.emit("moved");
}

async function until(isSo) {
  while (!isSo()) await once(news, "moved");
}

/** What answers each request, from its parameters. */
const answers = {
  "tools/list": () => ({
    tools: [...names].map((name) => ({
      name,
      inputSchema: { type: "object", properties: name === "hello_world" ? REGION : {} },
    })),
  }),
  "prompts/list": () => ({ prompts: [{ name: "explain", arguments: [{ name: "text", required: true }] }] }),
  "prompts/get": ({ arguments: { text } }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Explain in two sentences: ${text}` } }],
  }),
  "resources/list": () => ({
    resources: [WELCOME, "demo://stats"].map((uri) => ({ uri, name: uri.slice("demo://".length) })),
  }),
  "resources/templates/list": () => ({ resourceTemplates: [{ uriTemplate: `${NOTE}{name}`, name: "note" }] }),
  "resources/read": ({ uri }) => {
    if (uri === WELCOME) return { contents: [{ uri, text: "# Welcome" }] };
    if (uri.startsWith(NOTE)) return { contents: [{ uri, text: `A note on ${uri.slice(NOTE.length)}` }] };
    throw sdk.notFound(uri);
  },
  "completion/complete": ({ argument: { value } }) => ({
    completion: { values: WORDS.filter((word) => word.startsWith(value)) },
  }),
};

function text(text) {
  return { content: [{ type: "text", text }] };
}

/** Gives a server its features; `callerOf` makes a tool's caller of the SDK's context. */
function offer(server, callerOf) {
  for (const [method, answer] of Object.entries(answers))
    sdk.handle(server, method, ({ params }) => answer(params ?? {}));
  sdk.handle(server, "tools/call", async ({ params: { name, arguments: input } }, context) => {
    const caller = callerOf(context);
    if (TOOLS[name]) return text(await TOOLS[name](input ?? {}, caller));
    const { answer, result } = await caller.ask(QUESTIONS[name]);
    return result ?? text(QUESTIONS[name].finish(answer));
  });
  return server;
}

function listenerOf(fetch) {
  return getRequestListener(fetch, { overrideGlobalObjects: false });
}

/** Serves legacy clients, each in a session of its own. */
function sessions(Transport, connect) {
  const open = new Map();
  return async (request) => {
    const id = request.headers.get("mcp-session-id");
    if (id && !open.has(id)) return new Response(null, { status: 404 });
    const transport =
      open.get(id) ??
      new Transport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void open.set(id, transport),
        onsessionclosed: (id) => void open.delete(id),
      });
    if (!id) await connect(transport);
    const response = await transport.handleRequest(request);
    if (request.method === "GET" && response.ok) move(() => (isHeard = true));
    return response;
  };
}

/** Serves legacy clients over HTTP+SSE, each on a stream of its own. */
function sseStreams(Transport, connect) {
  const open = new Map();
  return async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    if (pathname === "/messages" && request.method === "POST") {
      const transport = open.get(searchParams.get("sessionId"));
      if (transport) await transport.handlePostMessage(request, response);
      else response.writeHead(404).end();
    } else if (request.method === "GET") {
      const transport = new Transport("/messages", response);
      open.set(transport.sessionId, transport);
      response.on("close", () => open.delete(transport.sessionId));
      await connect(transport);
      move(() => (isHeard = true));
    } else response.writeHead(405, { allow: "GET" }).end();
  };
}

/** Tells the client of a session of a change. */
function telling(server, uris) {
  return async (what) => {
    const isList = ["tools", "prompts", "resources"].includes(what);
    if (isList) await server.notification({ method: `notifications/${what}/list_changed` });
    if (uris.has(what)) await server.notification({ method: "notifications/resources/updated", params: { uri: what } });
  };
}

/** Remembers what the client of a session subscribes to. */
function subscriptions(server) {
  const uris = new Set();
  sdk.handle(server, "resources/subscribe", ({ params: { uri } }) => void uris.add(uri) ?? {});
  sdk.handle(server, "resources/unsubscribe", ({ params: { uri } }) => void uris.delete(uri) ?? {});
  return uris;
}

async function sdk1() {
  const { Server } = await import("@modelcontextprotocol/sdk/server/index.js");
  const { WebStandardStreamableHTTPServerTransport } = await import(
    "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js"
  );
  const { SSEServerTransport } = await import("@modelcontextprotocol/sdk/server/sse.js");
  const types = await import("@modelcontextprotocol/sdk/types.js");
  const schemas = Object.values(types).filter((known) => known?.shape?.method?.value);
  const schemaOf = (method) => schemas.find(({ shape }) => shape.method.value === method);

  const ask = (server, { method, params }, relatedRequestId) => {
    const related = { relatedRequestId };
    if (method === "roots/list") return server.listRoots(undefined, related);
    if (method === "sampling/createMessage") return server.createMessage(params, related);
    const elicitationId = params.mode === "url" ? { elicitationId: "look-1" } : {};
    return server.elicitInput({ ...params, ...elicitationId }, related);
  };
  const connect = async (transport) => {
    const server = new Server({ name: "sdk-1-server", version: "1" }, { capabilities: CAPABILITIES });
    let least = LEVELS.length;
    sdk.handle(server, "logging/setLevel", ({ params: { level } }) => {
      least = LEVELS.indexOf(level);
      return {};
    });
    const tellOfChange = telling(server, subscriptions(server));
    offer(server, ({ signal, requestId, sendNotification, _meta }) => {
      const notify = (method, params) => sendNotification({ method, params });
      return {
        signal,
        notify,
        tellOfChange,
        progressToken: _meta?.progressToken,
        ask: async (question) => ({ answer: await ask(server, question, requestId) }),
        log: async (level, data) => {
          if (LEVELS.indexOf(level) >= least) await notify("notifications/message", { level, data });
        },
      };
    });
    await server.connect(transport);
  };
  return {
    handle: (server, method, answer) => server.setRequestHandler(schemaOf(method), answer),
    notFound: (uri) => new types.McpError(-32002, "no such resource", { uri }),
    listener: () =>
      options.sse
        ? sseStreams(SSEServerTransport, connect)
        : listenerOf(sessions(WebStandardStreamableHTTPServerTransport, connect)),
  };
}

async function sdk2() {
  const { InMemoryServerEventBus, ResourceNotFoundError, Server, ...more } = await import("@modelcontextprotocol/server");
  const { WebStandardStreamableHTTPServerTransport, createMcpHandler, inputRequired, isLegacyRequest } = more;
  const create = () => new Server({ name: "sdk-2-server", version: "1" }, { capabilities: CAPABILITIES });

  /** One way of asking for both eras: the SDK asks legacy clients by requests. */
  const ask = ({ method, params }, inputResponses) => {
    if (inputResponses?.answer) return { answer: inputResponses.answer };
    const elicitationId = params?.mode === "url" ? { elicitationId: "look-1" } : {};
    return { result: inputRequired({ inputRequests: { answer: { method, params: { ...params, ...elicitationId } } } }) };
  };
  const offerAll = (server, tellOfChange) =>
    offer(server, ({ mcpReq }) => ({
      signal: mcpReq.signal,
      tellOfChange,
      progressToken: mcpReq._meta?.progressToken,
      notify: (method, params) => mcpReq.notify({ method, params }),
      ask: (question) => ask(question, mcpReq.inputResponses),
      log: mcpReq.log,
    }));

  class Bus extends InMemoryServerEventBus {
    subscribe(listener) {
      const unsubscribe = super.subscribe(listener);
      move(() => (isHeard = true));
      return unsubscribe;
    }
  }
  const tellAll = async (what) => {
    const { toolsChanged, promptsChanged, resourcesChanged, resourceUpdated } = modern.notify;
    const lists = { tools: toolsChanged, prompts: promptsChanged, resources: resourcesChanged };
    if (lists[what]) lists[what]();
    else resourceUpdated(what);
  };
  const modern = createMcpHandler(() => offerAll(create(), tellAll), { legacy: "reject", bus: new Bus() });
  const legacy = sessions(WebStandardStreamableHTTPServerTransport, async (transport) => {
    const server = create();
    await offerAll(server, telling(server, subscriptions(server))).connect(transport);
  });
  const dual = async (request) => ((await isLegacyRequest(request)) ? legacy(request) : modern.fetch(request));
  return {
    handle: (server, method, answer) => server.setRequestHandler(method, answer),
    notFound: (uri) => new ResourceNotFoundError(uri),
    listener: () => listenerOf(options.era === "dual" ? dual : modern.fetch),
  };
}

endWithParent();
logToStderr();
const sdk = await { 1: sdk1, 2: sdk2 }[options.sdk]();
onFreePort((origin) => ready({ url: `${origin}${options.sse ? "/sse" : "/mcp"}` }));
http.createServer(sdk.listener()).listen();
