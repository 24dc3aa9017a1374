// usage: everything.mjs [streamableHttp|sse]
// The reference server, `@modelcontextprotocol/server-everything`, on a free loopback port.
import { endWithParent, logToStderr, onFreePort, ready } from "./launch.mjs";

const transport = process.argv[2] ?? "streamableHttp";
const path = { streamableHttp: "/mcp", sse: "/sse" }[transport];
if (!path) {
  console.error(`unknown transport ${transport}: streamableHttp or sse`);
  process.exit(2);
}

endWithParent();
logToStderr();
onFreePort((origin) => ready({ url: origin + path }));
await import(`@modelcontextprotocol/server-everything/dist/transports/${transport}.js`);
