// usage: converse.mjs
// `converse-mcp-server` over HTTP on a free loopback port. Its quirks (one session
// at a time, 400 for an unknown session) are listed in README.md.
import { endWithParent, logToStderr, onFreePort, ready } from "./launch.mjs";

process.argv.splice(2, Infinity, "--transport", "http");
// No key of the person who runs the tests may reach a model provider.
for (const name of Object.keys(process.env)) if (/_(API_KEY|TOKEN)$/.test(name)) delete process.env[name];
// It refuses to start without one. Nothing answers there, so no call leaves the machine.
process.env.OPENAI_API_KEY = `sk-${"0".repeat(48)}`;
process.env.OPENAI_BASE_URL = "http://127.0.0.1:9";

endWithParent();
logToStderr();
onFreePort((origin) => ready({ url: `${origin}/mcp` }));
const { main } = await import("converse-mcp-server/src/index.js");
await main?.();
