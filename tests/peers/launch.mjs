// Shared by the server launchers: binds whatever server a peer starts to a free
// loopback port, and ties the process's life to the test that started it.
import net from "node:net";

const HOST = "127.0.0.1";

/** Ends the process when stdin closes or on SIGTERM, so no peer outlives its test. */
export function endWithParent() {
  const end = () => process.exit(0);
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.stdin.on("end", end).on("close", end).on("error", end).resume();
}

/** Stdout is for the one JSON line; what a peer logs goes to stderr. */
export function ready(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/**
 * Makes the next server that listens do so on a free loopback port, whatever
 * port and host it asks for, then calls `announce` with the address it got.
 */
export function onFreePort(announce) {
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function (...args) {
    net.Server.prototype.listen = listen;
    const callback = args.findLast((arg) => typeof arg === "function");
    this.once("listening", () => announce(`http://${HOST}:${this.address().port}`));
    return listen.call(this, { port: 0, host: HOST }, callback);
  };
}

/** Sends `console.log` and friends to stderr. */
export function logToStderr() {
  for (const name of ["log", "info", "debug"]) console[name] = console.error;
}
